"""An ensemble of masks over one set of weights: MADE trained without a fixed connectivity, or without a fixed order.

Germain, Gregor, Murray, Larochelle 2015, MADE: Masked Autoencoder for Distribution Estimation, arXiv:1502.03509,
sections 4.2 and 4.4; Uria, Murray, Larochelle 2014, A Deep and Tractable Density Estimator, arXiv:1310.1757.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from loglik.contract import ExactModel
from loglik.heads import Head
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.made.conditionals import (
    beginning_with,
    conditional_log_prob,
    observed_places,
    sample_given,
)
from loglik.nets.masked.degrees import Degrees
from loglik.nets.masked.net import MaskedMLP, MaskedWeights
from loglik.ops import log_mean_exp
from loglik.spaces import Space


class MaskEnsemble(ExactModel):
    """p(x) = (1/S) sum_s p_s(x), where member s masks the shared weights in its own way.

    Probabilities of whole events are averaged. Averaged logits would give numbers that are neither this mixture nor a
    bound of it, and do not sum to one.

    Training draws one member for each batch, from torch's global generator, and maximises E_s log p_s(x), which is at
    most log p(x) (Jensen). A sample draws its member first. Scoring and sampling cost what S members cost.

    Args:
        degrees: one for each member, who may see whom.
        agnostic: the weights are trained for any order of the values, so orders may be changed: see `beginning_with`.
    """

    def __init__(
        self,
        space: Space,
        weights: MaskedWeights,
        degrees: Sequence[Degrees],
        head: Head,
        context: Space | None = None,
        *,
        agnostic: bool = False,
    ) -> None:
        super().__init__(space, context)
        self.weights = weights
        self.agnostic = agnostic
        self.members = nn.ModuleList(
            Autoregressive(space, MaskedMLP(weights, own, shared=True), head, own.order, context) for own in degrees
        )

    def member(self, s: int) -> Autoregressive:
        """Member s: a model of its own, over the shared weights."""
        member = self.members[s]
        assert isinstance(member, Autoregressive)
        return member

    def each(self) -> list[Autoregressive]:
        return [self.member(s) for s in range(len(self.members))]

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """log (1/S) sum_s exp log p_s(x), (B,)."""
        return log_mean_exp(torch.stack([member.log_prob(x, context) for member in self.each()]))

    def objective(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.member(int(torch.randint(len(self.members), ()))).log_prob(x, context)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        self.member(0).initialize(x, context)
        for member in self.each():
            member.measure_context(context)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        context = self.contexts(n, context)
        chosen = torch.randint(len(self.members), (n,), device=self.device)
        x = self.space.events(torch.zeros(n, *self.space.shape, device=self.device), self.dtype)
        for s, member in enumerate(self.each()):
            rows = (chosen == s).nonzero().squeeze(1)
            if len(rows):
                x[rows] = member.sample(len(rows), None if context is None else context[rows])
        return x

    def conditional_log_prob(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event), observed (*event) bool -> (B,): log p(x_unseen | x_seen), exact under `beginning_with`."""
        return conditional_log_prob(self.beginning_with(observed), x, observed, context)

    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """x with its unseen values drawn from p(x_unseen | x_seen), (B, *event)."""
        return sample_given(self.beginning_with(observed), x, observed, context)

    def beginning_with(self, observed: Tensor) -> Sequence[Autoregressive]:
        """Members that generate the observed values first: conditionals given these are then products.

        Members of any order have the observed values moved to the front of their orders, which else stay. That is the
        ensemble itself where they were in front already, and otherwise another one over the same weights.
        """
        members = self.each()
        if not self.agnostic:
            return beginning_with(members, observed)
        known = torch.zeros(self.space.dims, dtype=torch.bool, device=self.device)
        known[observed_places(members[0], observed)] = True
        return [self._reordered(member, torch.argsort(~known[member.order], stable=True)) for member in members]

    def _reordered(self, member: Autoregressive, steps: Tensor) -> Autoregressive:
        order = member.order[steps]
        assert isinstance(member.net, MaskedMLP)
        other = Autoregressive(self.space, member.net.rearranged(order), member.head, order, self.context)
        other.context_reader = member.context_reader
        return other.to(self.device, self.dtype).train(self.training)
