"""ReLU with what stands beside it, in one pass over memory, compiled by numba. Imported where it is used."""

from numba import njit

from loglik.nets.kernels import CONTRACT

ROWS = 128  # so many are summed by themselves: long sums in single precision lose digits


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def rectify(h, bias):  # type: ignore[no-untyped-def]
    """h (B, H) becomes max(h + bias, 0); what is not a number stays so."""
    zero = h.dtype.type(0)  # a plain 0 would make numbers of double precision of all
    for r in range(h.shape[0]):
        for j in range(h.shape[1]):
            s = h[r, j] + bias[j]
            h[r, j] = zero if s <= 0 else s


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def rectify_back(g, h, total, part):  # type: ignore[no-untyped-def]
    """g (B, H) becomes 0 where h is, and total (H,) its sum over rows; part (H,) is room."""
    zero = g.dtype.type(0)
    total[:] = 0
    for low in range(0, len(g), ROWS):
        part[:] = 0
        for r in range(low, min(low + ROWS, len(g))):
            for j in range(g.shape[1]):
                s = zero if h[r, j] <= 0 else g[r, j]
                g[r, j] = s
                part[j] += s
        for j in range(g.shape[1]):
            total[j] += part[j]
