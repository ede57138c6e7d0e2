"""Neural splines: a value is moved by a monotone curve of many bins, whose knots a net sets.

Durkan, Bekasov, Murray, Papamakarios 2019, Neural Spline Flows, arXiv:1906.04032.
"""

import torch
from torch import Tensor

from loglik.bijections.spline.bins import Bins
from loglik.bijections.spline.function import SplineForward, SplineInverse
from loglik.bijections.transform import Transform
from loglik.errors import UsageError


class Spline(Transform):
    """z = f(x; h), a rational quadratic between K + 1 knots (x_k, z_k) in [-bound, bound], z = x outside.

    In bin k, with xi = (x - x_k) / (x_k+1 - x_k), the mean slope s and the slopes d_k, d_k+1 at its ends,

        z     = z_k + (z_k+1 - z_k) (s xi^2 + d_k xi (1 - xi)) / (s + (d_k + d_k+1 - 2 s) xi (1 - xi))
        dz/dx = s^2 (d_k+1 xi^2 + 2 s xi (1 - xi) + d_k (1 - xi)^2) / (s + (d_k + d_k+1 - 2 s) xi (1 - xi))^2

    which is positive, and continuous over the knots. Its inverse is the root of a quadratic. Of the 3K - 1 numbers of h
    K give the widths by a softmax, K the heights, and K - 1 the slopes d = exp(r / (1 + |r| / log 1000)); the slope at
    +-bound is 1, that of the line outside. A width and a height is at least 1 / 1000 of the interval.

    Args:
        bins: K.
        bound: where the line begins; for values that are standardised first.
    """

    def __init__(self, bins: int = 8, bound: float = 3.0) -> None:
        super().__init__()
        if not 2 <= bins <= 200:
            raise UsageError(f"Expected 2 to 200 bins of a spline; got {bins}. Set bins=8, say.")
        if not bound > 0.0:
            raise UsageError(f"Expected the bound of a spline > 0; got {bound}.")
        self.bins = Bins(bins, float(bound))
        self.params = 3 * bins - 1

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return self._along(SplineForward, x, h)

    def inverse(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return self._along(SplineInverse, z, h)

    def identity(self) -> Tensor:
        return torch.zeros(self.params)

    def _along(
        self, function: type[SplineForward] | type[SplineInverse], x: Tensor, h: Tensor
    ) -> tuple[Tensor, Tensor]:
        """All values in the order in which their numbers lie in memory, whichever it is."""
        order = sorted(range(x.ndim), key=h.stride, reverse=True)
        numbers = h.to(x.dtype).permute(x.ndim, *order).reshape(self.params, -1)
        z, log_slope = function.apply(x.permute(order).reshape(-1), numbers, self.bins)  # type: ignore[no-untyped-call]
        shape, back = [x.shape[axis] for axis in order], [order.index(axis) for axis in range(x.ndim)]
        return z.view(shape).permute(back), log_slope.view(shape).permute(back)
