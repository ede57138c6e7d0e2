"""The multivariate Gaussian with full covariance, fitted in closed form."""

import torch
from torch import Tensor

from loglik.arguments.ranges import Share
from loglik.contract import EMModel, FittedBy, Model
from loglik.densities import LOG_2PI
from loglik.models.dequantized import density_space, on_integers
from loglik.models.normals import MixtureOfNormals, Normals
from loglik.models.standardized import standardized
from loglik.moments import DECISIVE, Moments, floored
from loglik.ops import has_gaps, weighted_sum
from loglik.spaces import Real, Space

BIN_VARIANCE = 1.0 / 12.0  # of u ~ U[0, 1)


class Gaussian(MixtureOfNormals, EMModel):
    """log p(x) = -1/2 [D log 2 pi + log|Sigma| + (x - mu)^T Sigma^-1 (x - mu)],  Sigma = L L^T.

    Maximum likelihood: mu the mean, Sigma the covariance of the data, plus `floor` times each column's variance on the
    diagonal (see `moments.floored`). float64 throughout.

    Of an event with missing values counts log p(x_o) of those observed, o; with such events EM takes several passes:

        E[x_u|x_o] = mu_u + S_uo S_oo^-1 (x_o - mu_o),   Cov[x_u|x_o] = S_uu - S_uo S_oo^-1 S_ou

    complete the moments of the others, u (Dempster, Laird, Rubin 1977, section 4.1.1; Little & Rubin 2019, chapter 11).
    """

    def __init__(self, space: Real, floor: float) -> None:
        super().__init__(space, dtype=torch.float64)
        self.floor = floor
        self.register_buffer("mean", torch.zeros(space.dims, dtype=torch.float64))
        self.register_buffer("cholesky", torch.eye(space.dims, dtype=torch.float64))

    @property
    def fitted_by(self) -> FittedBy:
        return FittedBy.CLOSED_FORM

    @property
    def remark(self) -> str:
        """Where the floor decides the density: L_dd^2 is the variance of x_d that the columns before it leave."""
        left = self.cholesky.diagonal().square() / self.cholesky.square().sum(1)
        place = int(left.argmin())
        if self.floor == 0 or float(left[place]) > DECISIVE * self.floor:
            return ""
        return (
            f"The covariance is singular, or nearly so: the columns before it determine column {place + 1} but for "
            f"{float(left[place]):.1g} of its variance, of which the floor is {self.floor:.1g}. The density between "
            "such columns follows from the floor, not from the data; give more rows, or leave columns out."
        )

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        centred = self.events(x, context).flatten(1) - self.mean
        eps: Tensor = torch.linalg.solve_triangular(self.cholesky, centred.T, upper=False)  # (D, B)
        log_det = self.cholesky.diagonal().log().sum()
        return -0.5 * (self.space.dims * LOG_2PI + eps.square().sum(0)) - log_det

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        eps = torch.randn(n, self.space.dims, dtype=self.dtype, device=self.device)
        return (self.mean + eps @ self.cholesky.T).reshape(n, *self.space.shape)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        flat = self.events(x, context).flatten(1)
        if not has_gaps(flat):
            self.mean.copy_(flat.mean(0))
            return
        self.mean.copy_(flat.nanmean(0).nan_to_num(nan=0.0))
        variance = (flat - self.mean).square().nanmean(0).nan_to_num(nan=0.0)
        self.cholesky.copy_(torch.where(variance > 0, variance, 1.0).sqrt().diag())

    @property
    def learns_gaps(self) -> bool:
        return True

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> Moments:
        flat = self.events(x, context).flatten(1)
        if has_gaps(flat):
            covariance = self.cholesky @ self.cholesky.T
            return Moments.expected(flat, self.mean.clone(), self.mean, covariance, weights)
        return Moments.of(flat, self.mean.clone(), weighted_sum(self.log_prob(x, context), weights), weights)

    def expect_dequantized(
        self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, weights: Tensor | None = None
    ) -> Moments:
        """The moments of x + u over all u: mean + 1/2, covariance + I/12.

        E_u log N(x + u) is the value at the middle of the bin less half the noise variance times tr Sigma^-1.
        """
        middle = self.expect(x + 0.5, context, weights=weights)
        precision = torch.cholesky_inverse(self.cholesky).trace()
        return middle.with_noise(BIN_VARIANCE, middle.log_likelihood - 0.5 * BIN_VARIANCE * middle.events * precision)

    def maximize(self, stats: Moments) -> None:
        self.mean.copy_(stats.mean)
        self.cholesky.copy_(torch.linalg.cholesky(floored(stats.covariance, self.floor)))

    def normals(self) -> Normals:
        covariance = self.cholesky @ self.cholesky.T
        return Normals(self.mean.new_zeros(1), self.mean[None], covariance[None])

    def flaw(self) -> str:
        """The volume is read off the diagonal."""
        upright = bool((self.cholesky.tril() == self.cholesky).all()) and bool((self.cholesky.diagonal() > 0).all())
        return "" if upright else "the factor of the covariance is not lower triangular with a positive diagonal"

    mean: Tensor
    cholesky: Tensor


def gaussian(space: Space, *, floor: Share | None = None) -> Model:
    """Full covariance, closed form. `floor`, a share of each column's variance, keeps it regular.

    It defaults to 1e-6 on reals, and to 0 on integers, whose noise is a floor.

    >>> import loglik
    >>> model = loglik.build("gaussian", loglik.Real((1,)))
    >>> history = loglik.fit(model, [[1.0], [3.0]])
    >>> round(model.log_prob([[2.0]]).item(), 3)
    -0.919
    """
    real = density_space(space, "gaussian")
    if space.limits is not None:
        return on_integers(space, Gaussian(real, floor or 0.0))
    return standardized(Gaussian(real, 1e-6 if floor is None else floor))
