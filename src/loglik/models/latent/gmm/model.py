"""The Gaussian mixture, fitted by EM.

Dempster, Laird & Rubin 1977, Maximum likelihood from incomplete data via the EM algorithm, J. R. Statist. Soc. B 39,
1-38, section 4.3. Bishop 2006, Pattern Recognition and Machine Learning, equations (9.7) and (9.23) to (9.28).
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from loglik.arguments.tensors import tensor_of
from loglik.contract import EMModel, FittedBy
from loglik.densities import LOG_2PI
from loglik.errors import EmptyData, NotFinite, UsageError
from loglik.models.latent.gmm.covariances import Covariance
from loglik.models.latent.gmm.fast_expectation import MixtureStats, expectation
from loglik.models.latent.gmm.gaps import gap_statistics
from loglik.models.latent.gmm.prior import ComponentPrior
from loglik.models.latent.gmm.remarks import remark_on
from loglik.models.latent.gmm.start import first_responsibilities, some_of
from loglik.models.latent.posteriors import CategoricalPosterior
from loglik.models.normals import MixtureOfNormals, Normals
from loglik.ops import has_gaps
from loglik.scales import centre_and_scale
from loglik.spaces import Real

SLICE_VALUES = 1 << 19  # z (K, D, n) of one slice where densities alone are wanted: 4 MB
MOST_FOR_EACH = 10  # components for each row; beyond, a start alone would take minutes and say nothing
NO_EVENTS = 1e-100  # a component that explains less than this keeps its mean and covariance


class GaussianMixture(MixtureOfNormals, EMModel):
    """p(x) = sum_k pi_k N(x|mu_k, Sigma_k)                                                           (9.7)

    computed as p(y) / prod unit with y = (x - shift) / unit, which has mean 0 and variance 1 over the data `initialize`
    saw, but for values far out: whatever their place and scale, no digits are lost. `locations` (K, D) and `covariance`
    are those of y, in float64; `means` and `covariances` are those of x.

        expect      r_nk = pi_k N(y_n|mu_k, Sigma_k) / p(y_n),   n_k = sum_n r_nk               (9.23), (9.27)
        maximize    mu_k = sum_n r_nk y_n / n_k,   pi_k = n_k / N,                               (9.24), (9.26)
                    Sigma_k = sum_n r_nk (y_n - mu_k)(y_n - mu_k)^T / n_k                                (9.25)

    with the eigenvalues of Sigma_k raised to the floor, a share of the data's variance (see `covariances`): EM
    maximises the likelihood over all mixtures with no component narrower than that, and never lowers it. `expect`
    streams over slices of events, the fast way: `fast_expectation`. Events of which values are missing, NaN, count by
    log p(x_observed), and the M-step maximises the sum of these: `gaps`.

    >>> from loglik.models.latent.gmm.covariances import Full
    >>> mixture = GaussianMixture(Real(1), Full(components=2, dims=1, floor=1e-6))
    >>> mixture.start(torch.tensor([0.5, 0.5]), torch.tensor([[-1.0], [1.0]]), torch.ones(2, 1, 1))
    >>> f"{mixture.log_prob(torch.zeros(1, 1)).item():.4f}"
    '-1.4189'
    """

    def __init__(self, space: Real, covariance: Covariance, prior: ComponentPrior | None = None) -> None:
        super().__init__(space, dtype=torch.float64)
        if covariance.dims != space.dims:
            raise UsageError(f"Expected covariances over the {space.dims} dims of {space}; got {covariance.dims}.")
        self.covariance, self.prior = covariance, prior
        self.logits = nn.Parameter(torch.zeros(covariance.components, dtype=torch.float64))
        self.locations = nn.Parameter(torch.randn(covariance.components, space.dims, dtype=torch.float64))
        self.register_buffer("shift", torch.zeros(space.dims, dtype=torch.float64))
        self.register_buffer("unit", torch.ones(space.dims, dtype=torch.float64))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.checked(x, context)
        return torch.cat([self.joint(part).logsumexp(0) for part in self.slices(x)])

    def responsibilities(self, x: Tensor) -> Tensor:
        """(B, *event) -> (B, K): p(k|x), or p(k|x_observed) where values are missing, NaN."""
        return self.log_joints(x).softmax(1)

    def joint(self, x: Tensor) -> Tensor:
        """(B, *event) -> (K, B): log p(k, x) = log pi_k + log N(x|mu_k, Sigma_k)."""
        z = self.covariance.whitener(self.locations)(self.standardized(x))
        volume = self.covariance.log_det() + self.unit.log().sum() + 0.5 * self.space.dims * LOG_2PI
        return (self.logits.log_softmax(0) - volume)[:, None] - 0.5 * z.square().sum(1)

    @property
    def learns_gaps(self) -> bool:
        return True

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> MixtureStats:
        return self.statistics(self.checked(x, context), weights=weights)

    @torch.no_grad()
    def maximize(self, stats: MixtureStats) -> None:
        if not bool(torch.isfinite(stats.log_likelihood)):
            raise NotFinite("Expected finite values; got NaN or an infinity in the data of this pass.")
        self.last_counts = stats.counts
        if self.prior is not None:
            stats = self.prior.added_to(stats, self.locations, self.covariance)
        alive = stats.counts > NO_EVENTS
        counts = torch.where(alive, stats.counts, 0.0)
        step = torch.where(alive[:, None], stats.first / counts[:, None], 0.0)  # from the means that `stats` are about
        moved = (counts.sqrt()[:, None] * step)[:, :, None]
        second = stats.second - self.covariance.outer(moved, moved)  # about the new means
        self.covariance.assign(second, counts if self.prior is None else counts + self.prior.more)
        self.locations.add_(step)
        # No logarithm of 0: an empty component has the weight 1e-100, and may come back.
        self.logits.copy_((stats.counts.clamp(min=NO_EVENTS) / stats.events).log())

    @property
    def has_prior(self) -> bool:
        return self.prior is not None

    def log_prior(self) -> Tensor:
        """log p(theta) of the parameters of y, (); see `prior`."""
        if self.prior is None:
            return super().log_prior()
        return self.prior.log_density(self.logits.log_softmax(0), self.locations, self.covariance)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        u = torch.rand(n, dtype=self.dtype, device=self.device)
        k = torch.searchsorted(self.weights.cumsum(0), u).clamp(max=self.components - 1)
        y = torch.randn(n, self.space.dims, dtype=self.dtype, device=self.device)
        for j in range(self.components):
            drawn = k == j
            y[drawn] = self.covariance.colour(y[drawn].T, j).T + self.locations[j]
        return (self.shift + self.unit * y).reshape(n, *self.space.shape)

    @property
    def infers(self) -> bool:
        return True

    def posterior(self, x: Tensor, context: Tensor | None = None) -> CategoricalPosterior:
        """p(k|x) of the component k, the latent."""
        return CategoricalPosterior(self.log_joints(x, context).log_softmax(1), exact=True)

    @property
    def draws_latents(self) -> bool:
        return True

    def sample_latents(self, n: int, context: Tensor | None = None) -> Tensor:
        return torch.multinomial(self.weights, n, replacement=True)

    def log_latent(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return self.logits.log_softmax(0)[z]

    def log_joint(self, x: Tensor, z: Tensor, context: Tensor | None = None) -> Tensor:
        """log pi_k + log N(x|mu_k, Sigma_k) at the components k = z, (B,)."""
        return self.log_joints(x, context).gather(1, z[:, None])[:, 0]

    def log_joints(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event) -> (B, K): log p(k, x), or log p(k, x_observed) where values are missing, NaN."""
        x = self.checked(x, context)
        if not has_gaps(x):
            return torch.cat([self.joint(part).T for part in self.slices(x)])
        y, seen = self.standardized(x).T, ~x.isnan().flatten(1)
        return self.normals().log_joint(y, seen) - torch.where(seen, self.unit.log(), 0.0).sum(1, keepdim=True)

    @torch.no_grad()
    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        """The unit and centre of the data, then the clusters of k-means, softened."""
        self.started_with_gaps = has_gaps(x)
        if self.started_with_gaps:
            x = x[~x.isnan().flatten(1).all(1)]  # a row of which nothing is there tells no start anything
        self.standardize(x)
        self.started_from = len(x)
        if self.components > (most := MOST_FOR_EACH * len(x)):
            raise UsageError(
                f"Expected at most {most} components for {len(x)} rows; got {self.components}. Set fewer components."
            )
        some = some_of(x)
        r = first_responsibilities(self.standardized(some).T, self.components)
        if self.started_with_gaps:  # what is missing has, at the start, the mean and the variance of its column
            self.locations.zero_()
            identity = torch.eye(self.space.dims, dtype=self.dtype, device=self.device)[None]
            self.covariance.assign(self.covariance.outer(identity, identity), torch.ones_like(self.logits))
        self.maximize(self.statistics(some, r))

    @torch.no_grad()
    def standardize(self, x: Tensor) -> None:
        """Measure shift and unit; components given before in other units lose their meaning."""
        self.space.check_shape(x)
        if not len(x):
            raise EmptyData("A mixture needs events to start from; got none.")
        shift, deviation = centre_and_scale(x.flatten(1))
        if not bool(torch.isfinite(deviation).all()):
            raise NotFinite("Expected finite values; got an infinity in the data.")
        if has_gaps(x) and bool((empty := x.isnan().all(0)).any()):
            column = int(empty.flatten().nonzero()[0, 0]) + 1
            raise EmptyData(f"Expected a value in every column; got none in column {column}. Leave it out.")
        # A constant column has no unit of its own: it takes the average of the others, or 1 if there is none.
        varying = deviation > 0
        deviation[~varying] = deviation[varying].mean() if bool(varying.any()) else 1.0
        self.shift.copy_(shift)
        self.unit.copy_(self.covariance.units(deviation))

    @torch.no_grad()
    def start(self, weights: Tensor, means: Tensor, covariances: Tensor) -> None:
        """Begin at the given components in the units of x, (K,), (K, *event), (K, D, D), raised to the floor."""
        self.logits.copy_(weights.to(self.logits).clamp(min=NO_EVENTS).log())
        self.locations.copy_((means.to(self.locations).reshape(self.components, -1) - self.shift) / self.unit)
        dense = covariances.to(self.locations) / torch.outer(self.unit, self.unit)
        values, vectors = torch.linalg.eigh(dense)
        root = vectors * values.clamp(min=0.0).sqrt()[:, None]
        self.covariance.assign(self.covariance.outer(root, root), torch.ones_like(self.logits))

    @torch.no_grad()
    def statistics(
        self, x: Tensor, responsibilities: Tensor | None = None, *, weights: Tensor | None = None
    ) -> MixtureStats:
        """`expect`, with responsibilities (B, K) of your own where they are given."""
        if has_gaps(x):
            return self._with_gaps(x, responsibilities, weights)
        sums = expectation(self.covariance, self.locations.detach(), self.logits.log_softmax(0) - self.unit.log().sum())
        for start in range(0, len(x), sums.rows):
            part = slice(start, start + sums.rows)
            self.standardized(x[part], sums.buffer(len(x[part])))
            given = None if responsibilities is None else responsibilities[part].T.to(self.dtype)
            sums.add(given, None if weights is None else weights[part].to(self.dtype))
        return sums.stats()

    def _with_gaps(self, x: Tensor, responsibilities: Tensor | None, weights: Tensor | None) -> MixtureStats:
        """Whole events the fast way, the others by what is there of them."""
        gappy = x.isnan().flatten(1).any(1)
        r = None if responsibilities is None else responsibilities[gappy].T.to(self.dtype)
        w = None if weights is None else weights[gappy].to(self.dtype)
        y, log_pi = self.standardized(x[gappy]), self.logits.log_softmax(0)
        stats = gap_statistics(
            self.covariance, self.locations.detach(), log_pi, y,
            log_unit=self.unit.log(), responsibilities=r, weights=w,
        )  # fmt: skip
        whole = (t if t is None else t[~gappy] for t in (responsibilities, weights))
        given, counted = whole
        return stats + self.statistics(x[~gappy], given, weights=counted)

    def standardized(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """(B, *event) -> y (D, B)"""
        self.space.check_shape(x)
        # One pass converts, transposes and shifts; the shift is float64, so float32 data lose no digit to a large mean.
        centred = torch.sub(x.flatten(1).T, self.shift[:, None], out=out).to(self.dtype)
        return torch.div(centred, self.unit[:, None], out=out)

    def checked(self, x: Tensor, context: Tensor | None) -> Tensor:
        """x after the checks of `events`, without its copy in float64."""
        x = tensor_of(x, "the events")
        self.space.check_shape(x)
        self.events(x[:0], context if context is None else context[:0])
        return x

    def slices(self, x: Tensor) -> Iterator[Tensor]:
        """Parts of x that stay in the cache; one empty part if x is empty."""
        rows = max(256, SLICE_VALUES // self.locations.numel())
        return (x[start : start + rows] for start in range(0, max(1, len(x)), rows))

    @property
    def components(self) -> int:
        return self.covariance.components

    @property
    def free_parameters(self) -> int:
        """Of pi, the means and the covariances: what BIC and AIC count."""
        return self.components - 1 + self.locations.numel() + self.covariance.free_parameters

    @property
    def fitted_by(self) -> FittedBy:
        single = self.components == 1 and not self.started_with_gaps and self.prior is None
        return FittedBy.CLOSED_FORM if single else FittedBy.EM

    @property
    def weights(self) -> Tensor:
        """(K,): pi."""
        return self.logits.softmax(0)

    @property
    def means(self) -> Tensor:
        """(K, *event)"""
        return (self.shift + self.unit * self.locations).reshape(self.components, *self.space.shape)

    @property
    def covariances(self) -> Tensor:
        """(K, D, D)"""
        return self.covariance.dense() * torch.outer(self.unit, self.unit)

    def normals(self) -> Normals:
        return Normals(self.logits.log_softmax(0), self.locations, self.covariance.dense())

    @property
    def units(self) -> tuple[Tensor, Tensor]:
        return self.shift, self.unit

    @property
    def remark(self) -> str:
        """Where the floor decides the density, and which components no event is left to."""
        rows = self.started_from if self.prior is None else 0  # a prior needs no floor
        return remark_on(rows, self.locations.shape, self.last_counts, correlated=self.covariance.correlated)

    def flaw(self) -> str:
        return "" if bool((self.unit > 0).all()) else "a unit is not above 0"

    started_from = 0  # events that `initialize` saw
    started_with_gaps = False  # whether values were missing of them
    last_counts: Tensor | None = None  # (K,): events that each component explained in the last M-step
    shift: Tensor
    unit: Tensor
