"""The deep Gaussian mixture with more paths than can be summed: a search for good ones, and draws of paths near them.

The search is the coordinate ascent of van den Oord & Schrauwen 2014, section 3.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from loglik.contract import LatentModel, Posterior
from loglik.densities import LOG_2PI
from loglik.models.latent.deep_gmm.paths import Paths
from loglik.models.latent.deep_gmm.start import start_paths
from loglik.scales import centre_and_scale
from loglik.spaces import Real

SWEEPS = 3


class PathPosterior(Posterior):
    """q(p|x) = prod_j p(p_j|x, p_1 .. p_(j-1), p*_(j+1) .. p*_k): each map given those drawn, above them the path p*.

    The map of the last layer is drawn from its exact conditional. Paths are (B, k).
    """

    exact = False

    def __init__(self, model: "SearchedDeepMixture", y: Tensor, best: Tensor) -> None:
        self.model, self.y, self.best = model, y, best

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        y, p = self.y.repeat(n, 1), self.best.repeat(n, 1)
        for j in range(p.shape[1] if len(p) else 0):
            p[:, j] = torch.multinomial(self.model.conditional(y, p, j).softmax(1), 1)[:, 0]
        return p.reshape(n, *self.best.shape)

    @torch.no_grad()
    def log_prob(self, z: Tensor) -> Tensor:
        y, p = self.y.repeat(len(z), 1), self.best.repeat(len(z), 1)
        log_q = y.new_zeros(len(y))
        for j, drawn in enumerate(z.flatten(0, 1).T):
            log_q += self.model.conditional(y, p, j).log_softmax(1).gather(1, drawn[:, None])[:, 0]
            p[:, j] = drawn
        return log_q.reshape(z.shape[:2])


class SearchedDeepMixture(LatentModel):
    """p(x) = sum_p pi_p N(x|p) as in `DeepGaussianMixture`, where there are too many paths p to be summed.

        best path   max_p log p(x, p) <= log p(x), by coordinate ascent: in each of 3 sweeps p_j is set, layer by
                    layer, to the best map of its layer given all the others
        q(p|x)      layer by layer, near that path: `PathPosterior`

    The log-likelihood is the ELBO, log p(x, p) - log q(p|x) with one draw p ~ q; K draws bound log p(x) ever closer.
    A step of training raises log p(x, p) for paths drawn from q as it stands: a stochastic EM. N is of y = (x - shift)
    / unit, of mean 0 and variance 1 over the data that `initialize` saw.
    """

    def __init__(self, space: Real, counts: Sequence[int]) -> None:
        super().__init__(space, dtype=torch.float64)
        self.paths = Paths(counts, space.dims)
        self.logits = nn.ParameterList(torch.zeros(count, dtype=torch.float64) for count in counts)
        self.register_buffer("shift", torch.zeros(space.dims, dtype=torch.float64))
        self.register_buffer("unit", torch.ones(space.dims, dtype=torch.float64))

    def elbo_terms(self, x: Tensor, context: Tensor | None = None) -> dict[str, Tensor]:
        with torch.no_grad():  # q is held as it is; where it is p(p|x), the gradient is that of log p(x)
            p, log_q = self.infer(x, context)
        return {"log p(x, p)": self.log_joint(x, p, context), "-log q(p|x)": -log_q}

    @property
    def infers(self) -> bool:
        return True

    @torch.no_grad()
    def posterior(self, x: Tensor, context: Tensor | None = None) -> PathPosterior:
        """q(p|x), around the best path found."""
        return PathPosterior(self, self._standardized(x, context), self.best_path(x, context)[0])

    @torch.no_grad()
    def best_path(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, *event) -> the path found (B, k), and log p(x, p) <= log p(x), (B,)."""
        y = self._standardized(x, context)
        p = torch.stack([logits.argmax().expand(len(y)) for logits in self.logits], 1)
        log_p = y.new_zeros(len(y))
        for _ in range(SWEEPS):
            for j in range(len(self.paths.counts)):
                log_p, p[:, j] = self.conditional(y, p, j).max(1)
        return p, log_p

    def log_joint(self, x: Tensor, z: Tensor, context: Tensor | None = None) -> Tensor:
        """log pi_p + log N(x|p) at the paths p = z (B, k), (B,)."""
        return self.conditional(self._standardized(x, context), z, 0).gather(1, z[:, :1])[:, 0]

    def conditional(self, y: Tensor, p: Tensor, j: int) -> Tensor:
        """y (B, D), paths (B, k) -> log p(x, p) with p_j each map of layer j in turn, (B, N_j)."""
        layers = self.paths.layers
        e, constant = y.T, (-self.unit.log().sum() - 0.5 * self.space.dims * LOG_2PI).expand(len(y))
        for layer, logits, chosen in zip(layers[:j], self.logits, p.T, strict=False):
            e = layer.along(e[None], chosen)[0]
            constant = constant + (layer.log_det() + logits.log_softmax(0))[chosen]
        up = layers[j](e, e.new_ones(e.shape[1]))  # (N_j, D, B)
        own = layers[j].log_det() + self.logits[j].log_softmax(0)
        for i in range(j + 1, len(layers)):
            up = layers[i].along(up, p[:, i])
            constant = constant + (layers[i].log_det() + self.logits[i].log_softmax(0))[p[:, i]]
        log_p: Tensor = own + (constant - 0.5 * up.square().sum(1)).T
        return log_p

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        chosen = [torch.multinomial(logits.softmax(0), n, replacement=True) for logits in self.logits]
        e = torch.randn(n, self.space.dims, dtype=self.dtype, device=self.device)
        return (self.shift + self.unit * self.paths.down(e, chosen)).reshape(n, *self.space.shape)

    @torch.no_grad()
    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        flat = self.events(x, context).flatten(1)
        shift, deviation = centre_and_scale(flat)
        self.shift.copy_(shift)
        self.unit.copy_(torch.where(deviation > 0, deviation, 1.0))
        start_paths(self.paths, self._standardized(x, context))

    def _standardized(self, x: Tensor, context: Tensor | None) -> Tensor:
        """(B, *event) -> y (B, D)"""
        return (self.events(x, context).flatten(1) - self.shift) / self.unit

    def flaw(self) -> str:
        return "" if bool((self.unit > 0).all()) else "a unit is not above 0"

    shift: Tensor
    unit: Tensor
