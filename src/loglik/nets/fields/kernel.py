"""A tanh field with its divergence on the CPU, both ways, compiled by numba for each precision (kept in a file cache).

Imported where it is used: numba is slow to load. A few rows go through the whole net while they lie in the processor's
cache; the backward pass computes them again, which takes less time than fetching them from memory. See `FieldDynamics`
for the equations and the names.

`forward` and `backward` are one evaluation of all rows; `trajectory_kernel` solves for a few rows from end to end.

Shapes: z (B, D), shift (0 or B, H_1), e (K, 1 or B, H_1), v (K, 1 or B, H_n), widths (D, H_1, ..., H_n, D); theta holds
for each layer W^T (inputs, outputs), b and w. A block of R rows lies in x_l as R rows of h_l, and then, for each of the
K directions, R rows of T_l.
"""

import numpy as np

from loglik.compiled.array import Array
from loglik.compiled.cache import njit
from loglik.compiled.math import CONTRACT, tanh
from loglik.nets.fields.network import Network

SUMS = CONTRACT | {"reassoc"}  # sums in any order, so that they vectorise; the order does not depend on the data


@njit(nogil=True, cache=True)
def matrix(buffer: Array, start: int, rows: int, columns: int) -> Array:
    return buffer[start : start + rows * columns].reshape(rows, columns)


# Loops over few arrays at a time: with more, the compiler cannot tell that they lie apart, and does not vectorise.


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def activate(s: Array, bias: Array, h: Array) -> None:
    """h = tanh(s + bias)"""
    for r in range(len(s)):
        for j in range(len(bias)):
            h[r, j] = tanh(s[r, j] + bias[j])


@njit(nogil=True, cache=True)
def fill(out: Array, value: float) -> None:
    for i in range(len(out)):
        out[i] = value


@njit(nogil=True, cache=True)
def copy(a: Array, out: Array) -> None:
    for r in range(len(a)):
        for j in range(a.shape[1]):
            out[r, j] = a[r, j]


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def add(a: Array, total: Array) -> None:
    for i in range(len(a)):
        total[i] += a[i]


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def add_times(a: Array, b: Array, total: Array) -> None:
    """total += a b"""
    for i in range(len(a)):
        total[i] += a[i] * b[i]


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def tanh_slope(h: Array, a: Array, out: Array) -> None:
    """out = tanh' a, with tanh' = 1 - h^2"""
    for i in range(len(h)):
        out[i] = (1 - h[i] * h[i]) * a[i]


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def tanh_slope_and_curvature(h: Array, a: Array, b: Array, out: Array) -> None:
    """out = tanh' a + tanh'' b, with tanh'' = -2 h tanh'"""
    for i in range(len(h)):
        out[i] = (1 - h[i] * h[i]) * (a[i] - 2 * h[i] * b[i])


@njit(nogil=True, cache=True, fastmath=SUMS)
def dot(a, b):
    total = a[0] * b[0]
    for i in range(1, len(a)):
        total += a[i] * b[i]
    return total


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def add_scaled(a: Array, factor: float, total: Array) -> None:
    for i in range(len(a)):
        total[i] += factor * a[i]


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def add_gradient(x: Array, p: Array, product: Array, total: Array, at: int) -> None:
    """total[at :] += x^T p"""
    rows, columns = x.shape[1], p.shape[1]
    np.dot(x.T, p, matrix(product, 0, rows, columns))
    add(product[: rows * columns], total[at : at + rows * columns])


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def add_bias(p: Array, t: float, total: Array, at: int) -> None:
    """The gradients of b and w, which enter as b + t w."""
    columns = p.shape[1]
    for r in range(len(p)):
        add(p[r], total[at : at + columns])
        add_scaled(p[r], t, total[at + columns : at + 2 * columns])


@njit(nogil=True, cache=True)
def pushforward(t: float, z: Array, first: int, net: Network, x: Array, s: Array, height: int) -> tuple[int, int]:
    """h_l and T_l of the rows z into x, what comes before the nonlinearity into s; `height` rows for each layer."""
    theta, widths, shift, e = net.theta, net.widths, net.shift, net.e
    R, K = len(z), len(e)
    at = held = 0
    for layer in range(1, len(widths) - 1):
        inputs, H = widths[layer - 1], widths[layer]
        W, bias = matrix(theta, at, inputs, H), theta[at + inputs * H : at + inputs * H + H].copy()
        add_scaled(theta[at + inputs * H + H : at + inputs * H + 2 * H], t, bias)
        x_l, s_l = matrix(x, held, height, H), matrix(s, held, height, H)
        if layer == 1:
            np.dot(z, W, s_l[:R])
            if len(shift):
                for r in range(R):
                    add(shift[first + r], s_l[r])
            activate(s_l[:R], bias, x_l)
            for k in range(K):
                for r in range(R):
                    tanh_slope(x_l[r], e[k, first + r if e.shape[1] > 1 else 0], x_l[(1 + k) * R + r])
        else:
            np.dot(matrix(x, held - height * inputs, height, inputs)[: (1 + K) * R], W, s_l[: (1 + K) * R])
            activate(s_l[:R], bias, x_l)
            h, n = x[held : held + R * H], R * H
            for k in range(1, 1 + K):
                tanh_slope(h, s[held + k * n : held + (k + 1) * n], x[held + k * n : held + (k + 1) * n])
        at += (inputs + 2) * H
        held += height * H
    return at, held


@njit(nogil=True, cache=True)
def evaluate(t: float, z: Array, first: int, net: Network, scratch: tuple[Array, ...], f: Array, trace: Array) -> None:
    """f (R, D) and trace (R,) of a block of rows z, which begins at row `first`."""
    theta, widths, _, e, v, scale, rows = net
    R, K, D, H = len(z), len(e), widths[0], widths[-2]
    height, x = (1 + K) * rows, scratch[0]
    at, held = pushforward(t, z, first, net, x, scratch[1], height)
    x_n = matrix(x, held - height * H, height, H)
    np.dot(x_n[:R], matrix(theta, at, H, D), f)
    for r in range(R):
        add(theta[at + H * D : at + H * D + D], f[r])
        add_scaled(theta[at + H * D + D : at + H * D + 2 * D], t, f[r])
        trace[r] = 0
        for k in range(K):
            trace[r] += scale * dot(v[k, first + r if v.shape[1] > 1 else 0], x_n[(1 + k) * R + r])


@njit(nogil=True, cache=True)
def pullback(
    t: float,
    z: Array,
    first: int,
    net: Network,
    theta_T: Array,
    scratch: tuple[Array, ...],
    df: Array,
    dtrace: Array,
    dz: Array,
    totals: tuple[Array, ...],
) -> None:
    """dz (R, D) for given df and dtrace of a block; what it adds to the gradients of theta, shift, e and v."""
    _, widths, shift, e, v, scale, rows = net
    x, s, dx, p, product, curvature = scratch
    dtheta, dshift, de, dv = totals
    R, K, D, n, H = len(z), len(e), widths[0], len(widths) - 2, widths[-2]
    height = (1 + K) * rows
    at, held = pushforward(t, z, first, net, x, s, height)
    held -= height * H
    x_n, dx_n = matrix(x, held, height, H), matrix(dx, 0, height, H)
    add_gradient(x_n[:R], df, product, dtheta, at)
    add_bias(df, t, dtheta, at + H * D)
    np.dot(df, matrix(theta_T, at, D, H), dx_n[:R])
    fill(dx[R * H : (1 + K) * R * H], 0)
    for k in range(K):
        for r in range(R):
            index, row, g = first + r if v.shape[1] > 1 else 0, (1 + k) * R + r, scale * dtrace[r]
            add_scaled(v[k, index], g, dx_n[row])
            add_scaled(x_n[row], g, dv[k, index])
    for layer in range(n, 0, -1):
        inputs, H = widths[layer - 1], widths[layer]
        at -= (inputs + 2) * H
        size, m = R * H, (1 + K) * R
        curved, h, p_l = curvature[:size], x[held : held + size], matrix(p, 0, height, H)
        fill(curved, 0)
        for k in range(1, 1 + K):
            if layer > 1:
                add_times(dx[k * size : (k + 1) * size], s[held + k * size : held + (k + 1) * size], curved)
            tanh_slope(h, dx[k * size : (k + 1) * size], p[k * size : (k + 1) * size])
        if layer == 1:
            dx_l, curved_l = matrix(dx, 0, height, H), matrix(curvature, 0, rows, H)
            for k in range(K):
                for r in range(R):
                    index, row = first + r if e.shape[1] > 1 else 0, (1 + k) * R + r
                    add_times(dx_l[row], e[k, index], curved_l[r])
                    add(p_l[row], de[k, index])
        tanh_slope_and_curvature(h, dx[:size], curved, p[:size])
        add_bias(p_l[:R], t, dtheta, at + inputs * H)
        if layer > 1:
            held -= height * inputs
            add_gradient(matrix(x, held, height, inputs)[:m], p_l[:m], product, dtheta, at)
            np.dot(p_l[:m], matrix(theta_T, at, H, inputs), matrix(dx, 0, height, inputs)[:m])
            continue
        add_gradient(z, p_l[:R], product, dtheta, at)
        np.dot(p_l[:R], matrix(theta_T, at, H, inputs), dz)
        if len(shift):
            for r in range(R):
                add(p_l[r], dshift[first + r])


@njit(nogil=True, cache=True)
def scratch_for(net: Network) -> tuple[Array, ...]:
    """Room for what a block of rows leaves behind: x, s, dx, p, a product of matrices, and the bends of one layer."""
    theta, widths, e, rows = net.theta, net.widths, net.e, net.rows
    height, widest, units = (1 + len(e)) * rows, widths[0], 0
    for width in widths[1:-1]:
        widest, units = max(widest, width), units + width
    layers, one = np.empty(height * units, theta.dtype), np.empty(height * widest, theta.dtype)
    product, curvature = np.empty(widest * widest, theta.dtype), np.empty(rows * widest, theta.dtype)
    return layers, np.empty_like(layers), one, np.empty_like(one), product, curvature


@njit(nogil=True, cache=True)
def transposed(theta: Array, widths: Array) -> Array:
    """theta with W (outputs, inputs) in the place of W^T."""
    theta_T, at = np.empty_like(theta), 0
    for layer in range(1, len(widths)):
        inputs, H = widths[layer - 1], widths[layer]
        copy(matrix(theta, at, inputs, H).T, matrix(theta_T, at, H, inputs))
        at += (inputs + 2) * H
    return theta_T


@njit(nogil=True, cache=True)
def forward(t: float, z: Array, net: Network, first: int, last: int, f: Array, trace: Array) -> None:
    """Rows first to last of f (B, D) and trace (B,)."""
    scratch, rows = scratch_for(net), net.rows
    for low in range(first, last, rows):
        high = min(low + rows, last)
        evaluate(t, z[low:high], low, net, scratch, f[low:high], trace[low:high])


@njit(nogil=True, cache=True)
def backward(
    t: float,
    z: Array,
    net: Network,
    first: int,
    last: int,
    df: Array,
    dtrace: Array,
    dz: Array,
    totals: tuple[Array, ...],
) -> None:
    """Rows first to last of dz, and what they add to the totals: of theta (P,), shift, e and v."""
    scratch, rows, theta_T = scratch_for(net), net.rows, transposed(net.theta, net.widths)
    for low in range(first, last, rows):
        high = min(low + rows, last)
        pullback(t, z[low:high], low, net, theta_T, scratch, df[low:high], dtrace[low:high], dz[low:high], totals)
