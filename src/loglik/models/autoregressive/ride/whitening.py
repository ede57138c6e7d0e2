"""Conditional whitening of pixels: what a linear prediction from the causal neighbourhood explains is taken out.

Theis, Bethge 2015, Generative Image Modeling Using Spatial LSTMs, arXiv:1506.03478, section 3; the preconditioner of
the authors' code (lucastheis/cmt, WhiteningPreconditioner).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.ops import with_numbers

FITTED = 500_000  # windows that the covariances are estimated from, at most
NEGLIGIBLE = 1e-6  # variance, relative to the largest, that counts as none


class CausalWhitening(nn.Module):
    """Pixels y (B, H, W, C) -> x' (B, H, W, N) and the prediction (B, H, W, C), from each pixel's causal neighbourhood.

    The neighbourhood x of a pixel y is what of a kernel x kernel window comes before it in raster order: with
    kernel = 5, two rows of five above and two pixels to the left. With their means m and covariances C,

        x' = C_xx^-1/2 (x - m_x),   P = C_yx C_xx^-1/2,   prediction = m_y + P x',   L = (C_yy - P P^T)^-1/2,

    so y' = L (y - prediction) is white and uncorrelated with x', and log p(y|x) = log p(y'|x') + log|det L|.

    At the edges part of the window lies outside. Every way to do so has means and covariances of its own, those of
    the part inside; x' is 0 for the rest, and `outside` says which it is. So the first pixels too are predicted as
    well as they can be, and every pixel counts in the likelihood. L is lower triangular with a positive diagonal.
    Directions without variance are left out of x'; a pixel without variance keeps its scale.
    """

    def __init__(self, height: int, breadth: int, colours: int, kernel: int) -> None:
        super().__init__()
        self.reach = kernel // 2
        self.offsets = [
            (down, right)
            for down in range(-self.reach, 1)
            for right in range(-self.reach, self.reach + 1)
            if (down, right) < (0, 0)
        ]
        self.inputs = len(self.offsets) * colours
        inside = self._windows(torch.ones(1, height, breadth, 1, device=with_numbers()))[0]  # (H, W, offsets)
        shapes, pattern = torch.unique(inside.flatten(0, 1), dim=0, return_inverse=True)
        S, N = len(shapes), self.inputs
        self.register_buffer("pattern", pattern.reshape(height, breadth), persistent=False)
        self.register_buffer("outside", 1.0 - shapes, persistent=False)  # (S, offsets)
        self.register_buffer("mean_x", torch.zeros(S, N))
        self.register_buffer("whiten", torch.diag_embed(shapes.repeat_interleave(colours, 1)))  # C_xx^-1/2
        self.register_buffer("predict", torch.zeros(S, colours, N))  # P
        self.register_buffer("mean_y", torch.zeros(S, colours))
        self.register_buffer("scale", torch.eye(colours).repeat(S, 1, 1))  # L

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        pattern = self.pattern
        centred = self._windows(y) - self.mean_x[pattern]
        x = torch.einsum("bhwn,hwmn->bhwm", centred, self.whiten[pattern])
        return x, torch.einsum("bhwn,hwcn->bhwc", x, self.predict[pattern]) + self.mean_y[pattern]

    def at(self, canvas: Tensor, row: int, column: int) -> tuple[Tensor, Tensor]:
        """x' (n, N) and the prediction (n, C) at one pixel of images padded by `pad`."""
        s = self.pattern[row, column]
        rows, columns = row + self.reach, column + self.reach
        window = torch.cat([canvas[:, rows + down, columns + right] for down, right in self.offsets], -1)
        x = (window - self.mean_x[s]) @ self.whiten[s].T
        return x, x @ self.predict[s].T + self.mean_y[s]

    def pad(self, y: Tensor) -> Tensor:
        """(B, H, W, C) with zeros around it on the sides that windows reach over."""
        return F.pad(y, (0, 0, self.reach, self.reach, self.reach, 0))

    def fit(self, y: Tensor) -> None:
        """Means and covariances of pixels (B, H, W, C), of at most FITTED of them, from images spread over the rows."""
        height, breadth = self.pattern.shape
        images = min(len(y), max(1, FITTED // (height * breadth)))
        y = y[torch.linspace(0, len(y) - 1, images, device=y.device).round().long()]
        windows = self._windows(y).flatten(1, 2)
        for s in range(len(self.outside)):
            places = (self.pattern.flatten() == s).nonzero()[:, 0]
            x_s, y_s = (t[:, places].flatten(0, 1).double() for t in (windows, y.flatten(1, 2)))
            self._fit_one(s, x_s, y_s)

    def _fit_one(self, s: int, x: Tensor, y: Tensor) -> None:
        m_x, m_y = x.mean(0), y.mean(0)
        x, y = x - m_x, y - m_y
        C_xx, C_yx, C_yy = x.T @ x / len(x), y.T @ x / len(x), y.T @ y / len(x)
        variance, directions = torch.linalg.eigh(C_xx)
        kept = variance > NEGLIGIBLE * max(float(variance[-1]), NEGLIGIBLE * float(m_x.square().max()))
        whiten = directions[:, kept] * variance[kept].rsqrt() @ directions[:, kept].T
        P = C_yx @ whiten
        rest, directions = torch.linalg.eigh(C_yy - P @ P.T)
        most = float(C_yy.diagonal().max())
        least = NEGLIGIBLE * most if most > 1e-12 * float(m_y.square().max()) else 1.0
        root = torch.linalg.cholesky(directions * rest.clamp(min=least) @ directions.T)
        L = torch.linalg.solve_triangular(root, torch.eye(len(root), dtype=root.dtype, device=root.device), upper=False)
        found = (self.mean_x, m_x), (self.mean_y, m_y), (self.whiten, whiten), (self.predict, P), (self.scale, L)
        for buffer, value in found:
            buffer[s] = value.to(buffer.dtype)

    def flaw(self) -> str:
        """The volume is read off the diagonal of L."""
        upright = bool((self.scale.tril() == self.scale).all()) and bool(
            (self.scale.diagonal(dim1=1, dim2=2) > 0).all()
        )
        return "" if upright else "L is not lower triangular with a positive diagonal"

    def _windows(self, y: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H, W, N): the neighbourhood of every pixel, 0 outside the image."""
        (height, breadth), padded = y.shape[1:3], self.pad(y)
        return torch.cat(
            [
                padded[:, self.reach + down :][:, :height, self.reach + right :][:, :, :breadth]
                for down, right in self.offsets
            ],
            -1,
        )

    pattern: Tensor
    outside: Tensor
    mean_x: Tensor
    whiten: Tensor
    predict: Tensor
    mean_y: Tensor
    scale: Tensor
