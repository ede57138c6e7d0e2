"""The deep Gaussian mixture, exactly: all paths are summed.

van den Oord & Schrauwen 2014, Factoring variations in natural images with deep Gaussian mixture models, NIPS 27.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from loglik.arguments.memory import check_memory
from loglik.arguments.ranges import Charge, Count, Few
from loglik.bijections.compose import Chain
from loglik.bijections.elementwise import Gaussianize
from loglik.contract import EMModel, Model
from loglik.densities import LOG_2PI
from loglik.errors import UsageError
from loglik.models.dequantized import Dequantized, density_space
from loglik.models.flow import Flow
from loglik.models.flows.gaussianized import gaussianized
from loglik.models.latent.deep_gmm.maximization import Moments, log_prior
from loglik.models.latent.deep_gmm.paths import Paths
from loglik.models.latent.deep_gmm.searched import SearchedDeepMixture
from loglik.models.latent.deep_gmm.start import start_paths
from loglik.models.latent.gmm.covariances import Full
from loglik.models.latent.gmm.fast_expectation import MixtureStats, expectation
from loglik.models.latent.posteriors import CategoricalPosterior
from loglik.models.normals import MixtureOfNormals, Normals
from loglik.models.standardized import standardized
from loglik.spaces import Integer, Real, Space

MOST_PATHS = 4096  # all are summed for each event, at D^2 each
SLICE_VALUES = 1 << 19  # residuals (P, D, n) of one slice of events: 4 MB
WORKING = 8.0  # matrices of a pass for each path: moments, maps, products and their gradients
LEAST_WEIGHT = 1e-100  # no logarithm of 0


class DeepGaussianMixture(MixtureOfNormals, EMModel):
    """p(x) = sum_p pi_p N(x|p),   log N(x|p) = log N(e_k|0, I) + sum_j log|det W_(j,p_j)|

        e_0 = x,   e_j = W_(j,p_j) e_(j-1) + c_(j,p_j),   W = A^-1,  c = -A^-1 b

    over all paths p = (p_1, ..., p_k), one of N_j affine maps e -> A e + b in each of k layers: prod N_j components
    share sum N_j matrices. pi_p is a product of weights of each layer, or with `table` a number for each path.
    `logits`: k of (N_j,), or one (P,). float64 throughout.

        expect      n_p, sum r_np x_n, sum r_np x_n x_n^T with r_np = p(p|x_n), as of a mixture of P components
        maximize    pi by counts; all maps by L-BFGS on Q; the last layer in closed form (`maximization`)
    """

    def __init__(self, space: Real, counts: Sequence[int], *, table: bool, ridge: float, iterations: int) -> None:
        super().__init__(space, dtype=torch.float64)
        self.paths = Paths(counts, space.dims)
        sizes = [math.prod(counts)] if table else list(counts)
        self.logits = nn.ParameterList(torch.zeros(size, dtype=torch.float64) for size in sizes)
        self.ridge, self.iterations = ridge, iterations

    @property
    def log_weights(self) -> Tensor:
        """(P,): log pi."""
        return self.paths.summed([logits.log_softmax(0) for logits in self.logits])

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return torch.cat([joint.logsumexp(0) for joint in self._joints(x, context)])

    def _joints(self, x: Tensor, context: Tensor | None) -> Iterator[Tensor]:
        """(B, *event) -> log p(x, p), (P, n) for slices of n events; one empty slice of none."""
        flat = self.events(x, context).flatten(1).T
        constant = (self.log_weights + self.paths.log_det() - 0.5 * self.space.dims * LOG_2PI)[:, None]
        rows = max(64, SLICE_VALUES // (len(constant) * self.space.dims))
        for start in range(0, max(1, len(x)), rows):
            e = flat[:, start : start + rows]
            yield constant - 0.5 * self.paths.residuals(e, e.new_ones(e.shape[1])).square().sum(1)

    @property
    def infers(self) -> bool:
        return True

    def posterior(self, x: Tensor, context: Tensor | None = None) -> CategoricalPosterior:
        """p(p|x) of the number of the path, the latent."""
        log_r = torch.cat([joint.log_softmax(0).T for joint in self._joints(x, context)])
        return CategoricalPosterior(log_r, exact=True)

    def log_joint(self, x: Tensor, z: Tensor, context: Tensor | None = None) -> Tensor:
        """log pi_p + log N(x|p) at the paths p = z, (B,)."""
        joint = torch.cat([joint.T for joint in self._joints(x, context)])
        return joint.gather(1, z[:, None])[:, 0]

    def components(self) -> tuple[Tensor, Tensor]:
        """The shallow mixture's means (P, D), and roots L (P, D, D), lower triangular, of its covariances L L^T."""
        maps, shifts = self.paths.composed()
        means = -torch.linalg.solve(maps, shifts[:, :, None])[:, :, 0]
        # M = Q R with R lower triangular: to square M would cost half the digits.
        whitening = torch.linalg.qr(maps.flip(2)).R.flip(1, 2)
        identity = torch.eye(self.space.dims, dtype=self.dtype, device=self.device)
        return means, torch.linalg.solve_triangular(whitening, identity.expand_as(maps), upper=False)

    def normals(self) -> Normals:
        means, root = self.components()
        return Normals(self.log_weights, means, root @ root.mT)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        u = torch.rand(n, dtype=self.dtype, device=self.device)
        p = torch.searchsorted(self.log_weights.exp().cumsum(0), u).clamp(max=len(self.log_weights) - 1)
        e = torch.randn(n, self.space.dims, dtype=self.dtype, device=self.device)
        return self.paths.down(e, self.paths.choices(p)).reshape(n, *self.space.shape)

    @torch.no_grad()
    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        start_paths(self.paths, self.events(x, context).flatten(1))
        for logits in self.logits:
            logits.zero_()

    @torch.no_grad()
    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> MixtureStats:
        flat = self.events(x, context).flatten(1)
        means, root = self.components()
        shallow = Full(len(means), self.space.dims, 0.5).to(self.device)
        shallow.scale.data = root
        sums = expectation(shallow, means.detach(), self.log_weights)
        for start in range(0, len(flat), sums.rows):
            part = flat[start : start + sums.rows]
            sums.buffer(len(part)).copy_(part.T)
            sums.add(None, None if weights is None else weights[start : start + sums.rows].to(self.dtype))
        return sums.stats()

    @torch.no_grad()
    def maximize(self, stats: MixtureStats) -> None:
        moments = Moments(self.components()[0], stats.counts, stats.first, stats.second)
        table = stats.counts.view(*reversed(self.paths.counts))
        for j, logits in enumerate(self.logits):
            others = [axis for axis in range(table.ndim) if axis != table.ndim - 1 - j]
            counts = stats.counts if len(logits) == len(stats.counts) else table.sum(others)
            logits.copy_((counts / stats.events).clamp(min=LEAST_WEIGHT).log())
        if len(self.paths.counts) > 1:
            moments.raise_all(self.paths, self.ridge, self.iterations)
        moments.solve_last(self.paths, self.ridge)

    @property
    def has_prior(self) -> bool:
        return self.ridge > 0

    def log_prior(self) -> Tensor:
        return log_prior(self.paths, self.ridge)

    def flaw(self) -> str:
        return "" if bool(torch.isfinite(self.paths.log_det()).all()) else "a map is singular"


def deep_gmm(
    space: Space, *, layers: Sequence[Count] = (3, 3, 3), table: bool = False, ridge: Charge = 0.1, iterations: Few = 10
) -> Model:
    """A Gaussian mixture with a component for each path through `layers` of so many affine maps, the data's first.

    Each component is a product of maps, one of each layer, so 5, 5 and 20 maps make 500 components. Each path has
    the product of its maps' weights, or with `table` a weight of its own.

    Up to 4096 paths all are summed, which costs their number times D^2 for each event, and the density is exact. It is
    then fitted by EM to the maximum of log p(X) - ridge/2 sum |W|^2, W the inverse maps of standardised data, with
    `iterations` of L-BFGS in each M-step. Of more paths good ones are searched for: the score is a bound from paths
    drawn near the best one found, and it is trained by gradients, without `table`, `ridge` and `iterations`.

    Raises:
        UsageError: no layer, or a table of more paths than are summed.
        TooLarge: moments of all paths that do not fit into memory.

    >>> import torch, loglik
    >>> x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0)) ** 3
    >>> model = loglik.build("deep-gmm", loglik.Real((2,)), layers=(2, 2), seed=0)
    >>> history = loglik.fit(model, x, steps=20)
    >>> history.method, str(loglik.evaluate(model, x).claim)
    ('EM', 'exact')
    """
    real = density_space(space, "deep-gmm")
    if not layers or min(layers) < 1:
        raise UsageError(f"Expected layers of at least 1 map; got {tuple(layers)}. Give the number of maps of each.")
    if math.prod(layers) > MOST_PATHS:
        if table:
            raise UsageError(
                f"Expected at most {MOST_PATHS} paths for a table of their weights; got {tuple(layers)}, "
                f"{math.prod(layers)} paths. Leave out the table, or take fewer maps."
            )
        searched = SearchedDeepMixture(real, layers)
        if not isinstance(space, Integer):
            return searched
        return Dequantized(space, Flow(real, Chain([]), searched, rescale=Gaussianize(space)))
    check_memory(
        WORKING * math.prod(layers) * 8.0 * space.dims**2,
        f"an EM pass of deep-gmm with {math.prod(layers)} paths over {space.dims} dimensions",
        "Take fewer layers, or gmm with diagonal covariances.",
    )
    mixture = DeepGaussianMixture(real, layers, table=table, ridge=ridge, iterations=iterations)
    return gaussianized(space, mixture) if space.limits is not None else standardized(mixture)
