"""The monotone rational-quadratic spline of N values at once, and its gradients written out.

The numbers that steer a value lie apart, h (3K - 1, N): sums and choices over the few bins then run along N values in
memory. Lengths inside are in the units of `bins`.
Gregory & Delbourgo 1982, IMA J. Numer. Anal. 2(2); Durkan, Bekasov, Murray, Papamakarios 2019, arXiv:1906.04032.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.bijections.spline.bins import STEEPEST, Bins


@dataclass(frozen=True)
class Bin:
    """The bin of each value: its number k (1, N), and q (2, K, N), the shares of all bins in width and height.

    start, size: (2, N), where it begins in width and height and how far it goes, in units; s: height / width (N,)
    raw, d: (2, N), the numbers of the slopes at its two ends, 0 at the interval's, and the slopes
    part: (N,), how much of its width, or of its height, lies before the value
    """

    q: Tensor
    k: Tensor
    start: Tensor
    size: Tensor
    s: Tensor
    raw: Tensor
    d: Tensor
    part: Tensor


def slope_numbers(k: Tensor, count: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """(2, N): where the numbers of bin k's slopes are, and 1 for those that are any, 0 for the interval's ends."""
    places = torch.cat([k - 1, k])
    inner = torch.cat([k > 0, k < count - 1])
    return places.clamp_(0, count - 2), inner.to(dtype)


def find(x: Tensor, h: Tensor, bins: Bins, axis: int) -> Bin:
    """For values x (N,) in width (axis 0) or in height (axis 1)."""
    K = bins.count
    place = (x.clamp(-bins.bound, bins.bound) + bins.bound) / bins.unit
    q = h[: 2 * K].view(2, K, -1).softmax(1)
    ends = q.cumsum(1)
    number = torch.arange(1, K, dtype=h.dtype, device=h.device)[:, None]
    k = (place - bins.least * number >= ends[axis, :-1]).sum(0, keepdim=True)
    both = k.expand(2, 1, -1)
    own = q.gather(1, both).squeeze(1)
    start = ends.gather(1, both).squeeze(1) - own + bins.least * k.to(h.dtype)
    size = own + bins.least
    places, inner = slope_numbers(k, K, h.dtype)
    raw = h[2 * K :].gather(0, places) * inner
    d = torch.exp(raw / (1.0 + raw.abs() / STEEPEST))
    part = ((place - start[axis]) / size[axis]).clamp(0.0, 1.0)  # rounding may leave the bin a little
    return Bin(q, k, start, size, size[1] / size[0], raw, d, part)


def curve(found: Bin, xi: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """At the part xi (N,) of a bin's width: the part of its height that is reached, dy/dx, and what they are made of.

    rise  = (s xi^2 + d0 xi (1 - xi)) / den     den = s + (d0 + d1 - 2 s) xi (1 - xi)
    dy/dx = s^2 num / den^2                     num = d1 xi^2 + 2 s xi (1 - xi) + d0 (1 - xi)^2
    """
    s, (d0, d1) = found.s, found.d
    both = xi * (1.0 - xi)
    den = s + (d0 + d1 - 2.0 * s) * both
    num = d1 * xi.square() + 2.0 * s * both + d0 * (1.0 - xi).square()
    return (s * xi.square() + d0 * both) / den, num * (s / den).square(), den, num


def forward(x: Tensor, h: Tensor, bins: Bins) -> tuple[Tensor, Tensor]:
    """x (N,) -> z and dz/dx, (N,) each."""
    found = find(x, h, bins, 0)
    rise, slope, _, _ = curve(found, found.part)
    return placed(x, found, 1, rise, bins), torch.where(x.abs() > bins.bound, 1.0, slope)


def inverse(z: Tensor, h: Tensor, bins: Bins) -> tuple[Tensor, Tensor]:
    """z (N,) -> x and dz/dx there, (N,) each: xi is the root of a xi^2 + b xi = s rise in [0, 1].

    Of the root's two forms, the one whose terms have the same sign.
    """
    found = find(z, h, bins, 1)
    s, (d0, d1), rise = found.s, found.d, found.part
    b = d0 - rise * (d0 + d1 - 2.0 * s)
    a = s - b
    high = b.abs() + (b.square() + 4.0 * a * s * rise).clamp(min=0.0).sqrt()
    xi = torch.where(b >= 0.0, 2.0 * s * rise / high, 0.5 * high / a).clamp(max=1.0)
    slope = curve(found, xi)[1]
    return placed(z, found, 0, xi, bins), torch.where(z.abs() > bins.bound, 1.0, slope)


def placed(x: Tensor, found: Bin, axis: int, part: Tensor, bins: Bins) -> Tensor:
    """The value at a part of the bin in width (axis 0) or height; x itself where it is outside."""
    y = (found.start[axis] + found.size[axis] * part) * bins.unit - bins.bound
    return torch.where(x.abs() > bins.bound, x, y.clamp(max=bins.bound))  # rounding may leave the interval a little


def gradients(x: Tensor, h: Tensor, gz: Tensor, gl: Tensor, bins: Bins, *, inverse: bool) -> tuple[Tensor, Tensor]:
    """The gradients of the input (N,) and of h (3K - 1, N), from those of the output, gz, and of log dz/dx, gl.

    x (N,) is the value in width in both directions. `forward` has the input x and the output z = f(x; h). `inverse` has
    the input z and the output x, with dx = (dz - f_h dh) / f_x: gz is then the gradient of x.
    """
    found = find(x, h, bins, 0)
    outside = x.abs() > bins.bound
    xi, s, (d0, d1), (w, height) = found.part, found.s, found.d, found.size
    rise, slope, den, num = curve(found, xi)
    rest, turn, bend = 1.0 - xi, 1.0 - 2.0 * xi, d0 + d1 - 2.0 * s
    both = xi * rest
    gy, gl = torch.where(outside, 0.0, gz * bins.unit), torch.where(outside, 0.0, gl)
    along = gl * (2.0 * (d1 * xi + s * turn - d0 * rest) / num - 2.0 * bend * turn / den) / w  # through log dy/dx
    if inverse:
        gy = -(gy + along) / slope
    gx = gy * slope + along
    gp, gd, gn = gy * height / den, 2.0 * gl / den, gl / num  # of the rise, of log den, of log num
    gs = gp * (xi.square() - rise * (1.0 - 2.0 * both)) + 2.0 * gl / s + 2.0 * gn * both - gd * (1.0 - 2.0 * both)
    low = (gp * (1.0 - rise) - gd) * both + gn * rest.square()
    high = gn * xi.square() - (gp * rise + gd) * both
    # The bins before shift this one, its own also bends it.
    before = torch.stack([-gx, gy])
    own = torch.stack([-gx * xi - gs * s / w, gy * rise + gs / w])
    gh = torch.cat([to_shares(found, before, own, bins), to_slopes(found, torch.stack([low, high]))])
    return torch.where(outside, gz, (-gy if inverse else gx) / bins.unit), gh


def to_shares(found: Bin, before: Tensor, own: Tensor, bins: Bins) -> Tensor:
    """(2K, N): the gradients of the numbers of widths and heights, from those (2, N) of bins before and of the own.

    Shares sum to 1, so what all have in common falls out.
    """
    K = bins.count
    least, number = bins.least, found.k.to(before.dtype)
    mean = before * (found.start - least * number) + own * (found.size - least)
    earlier = (number - torch.arange(K, dtype=number.dtype, device=number.device)[:, None]).clamp_(0.0, 1.0)
    shares = torch.addcmul(-mean[:, None], earlier, before[:, None])
    shares.scatter_(1, found.k.expand(2, 1, -1), (own - mean)[:, None])
    return shares.mul_(found.q).flatten(0, 1)


def to_slopes(found: Bin, gradient: Tensor) -> Tensor:
    """(K - 1, N): the gradients of the slopes' numbers, from those (2, N) of the slopes at the bin's ends."""
    places, inner = slope_numbers(found.k, found.q.shape[1], found.q.dtype)
    gentle = found.d / (1.0 + found.raw.abs() / STEEPEST).square()
    zeros = gradient.new_zeros(found.q.shape[1] - 1, gradient.shape[1])
    return zeros.scatter_add_(0, places, gradient * gentle * inner)
