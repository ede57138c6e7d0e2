"""What a flow on vectors carries to the data: a standard normal, a mixture of normals, or an autoregressive model."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from loglik.contract import ExactModel
from loglik.densities import StandardNormal, normal_log_prob
from loglik.errors import UsageError
from loglik.heads.gaussian import MixtureHead
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.nets.masked.degrees import spread
from loglik.nets.masked.net import MaskedMLP, MaskedWeights
from loglik.spaces import Real, Space


def base_for(
    name: str, dims: int, *, order: Tensor, hidden: Sequence[int], components: int, context: Space | None
) -> ExactModel:
    """The base called `name` for (D,) values.

    "normal"; "mixture", of `components` normals with diagonal covariances; "autoregressive", a MADE with `hidden`
    layers whose conditionals, in the given order, are mixtures of `components` normals.

    Raises:
        UsageError: an unknown name, or no component.
    """
    space = Real((dims,))
    if components < 1:
        raise UsageError(f"Expected components >= 1; got {components}.")
    if name == "normal":
        return StandardNormal(space, context)
    if name == "mixture":
        return NormalMixture(space, components, context)
    if name == "autoregressive":
        head, degrees = MixtureHead(components), spread(order, hidden)
        weights = MaskedWeights([degrees], head.inputs, head.params, context=context.width if context else 0)
        return Autoregressive(space, MaskedMLP(weights, degrees), head, order, context)
    raise UsageError(f"Expected base 'normal', 'mixture' or 'autoregressive'; got {name!r}.")


class NormalMixture(ExactModel):
    """p(z) = sum_k w_k prod_d N(z_d; mean_kd, exp(log_scale_kd)^2), the same whatever the context.

    For gradients: it learns together with the flow above it. It starts near the standard normal, with its means at
    events, and its scales are held softly within e^+-`limit`, so no component collapses on a repeated value.
    """

    START = 0.5  # means and deviations of the components at the start, as parts of the data's

    def __init__(self, space: Real, components: int, context: Space | None = None, limit: float = 7.0) -> None:
        super().__init__(space, context)
        self.limit = limit
        self.logits = nn.Parameter(torch.zeros(components))
        self.means = nn.Parameter(self.START * torch.randn(components, space.dims))
        self.raw_scales = nn.Parameter(torch.full((components, space.dims), 0.5 * math.log(1.0 - self.START**2)))

    @torch.no_grad()
    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        self.measure_context(context)
        chosen = torch.randint(len(x), (len(self.means),), device=x.device)
        self.means.copy_(self.START * self.events(x, context)[chosen])

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context, torch.float64).unsqueeze(1)
        joint = self.logits.log_softmax(0) + normal_log_prob(x, self.means, self._log_scales()).sum(-1)
        return joint.logsumexp(1)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        k = torch.multinomial(self.logits.detach().softmax(0), n, replacement=True)
        eps = torch.randn(n, *self.space.shape, dtype=self.dtype, device=self.device)
        return self.means[k] + torch.exp(self._log_scales()[k]) * eps

    def _log_scales(self) -> Tensor:
        return self.limit * torch.tanh(self.raw_scales / self.limit)
