"""An ensemble of masks over one set of weights: MADE trained without a fixed connectivity, or without a fixed order.

Germain, Gregor, Murray, Larochelle 2015, MADE: Masked Autoencoder for Distribution Estimation, arXiv:1502.03509,
sections 4.2 and 4.4; Uria, Murray, Larochelle 2014, A Deep and Tractable Density Estimator, arXiv:1310.1757.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from loglik.contract import Claim, ExactModel
from loglik.heads import Head
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.nets.masked.degrees import Degrees
from loglik.nets.masked.net import MaskedMLP, MaskedWeights
from loglik.ops import log_mean_exp, rows_by_mask
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

    @property
    def unguided(self) -> str:
        return "is an ensemble, whose conditionals are not those of one net (build with masks=1, or call sample_given)"

    def conditions(self, observed: Tensor) -> Claim | None:
        """Exact where all orders begin with the observed values; else orders are changed, which is another mixture."""
        if all(member.conditions(observed) is not None for member in self.each()):
            return Claim.EXACT
        return Claim.ESTIMATE if self.agnostic else None

    def log_marginal(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """log (1/S) sum_s p_s(x_observed), by members that generate the observed values first."""
        log_p = torch.empty(len(x), dtype=torch.float64, device=self.device)
        for part in self._by_mask(x, observed, context):
            log_p[part.rows] = log_mean_exp(part.log_marginals())
        return log_p

    def log_conditional(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """log of sum_s p_s(x_observed) p_s(x_rest|x_observed) / sum_s p_s(x_observed), by the same members."""
        log_p = torch.empty(len(x), dtype=torch.float64, device=self.device)
        for part in self._by_mask(x, observed, context):
            whole = torch.stack([member.log_prob(part.x, part.context) for member in part.members])
            log_p[part.rows] = log_mean_exp(whole) - log_mean_exp(part.log_marginals())
        return log_p

    @torch.no_grad()
    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """A member s ~ p(s|x_observed) for each event draws the rest."""
        drawn = x.to(self.device).clone()
        for part in self._by_mask(x, observed, context):
            chosen = torch.multinomial(part.log_marginals().softmax(0).T, 1).squeeze(1)
            for s, member in enumerate(part.members):
                mine = (chosen == s).nonzero().squeeze(1)
                if len(mine):
                    some = None if part.context is None else part.context[mine]
                    filled = member.sample_given(part.x[mine], part.observed[mine], some)
                    drawn[part.rows[mine]] = filled.to(drawn.dtype)
        return drawn

    def _by_mask(self, x: Tensor, observed: Tensor, context: Tensor | None) -> "Iterator[Masked]":
        """Events that have the same values observed, with the members for these."""
        observed, x = self.masks(observed, x), x.to(self.device)
        for mask, rows in rows_by_mask(observed.flatten(1)):
            members = self.beginning_with(mask)
            yield Masked(members, rows, x[rows], observed[rows], None if context is None else context[rows])

    def beginning_with(self, observed: Tensor) -> Sequence[Autoregressive]:
        """The members, changed such that each generates the values of one mask (D,) first.

        p(x_rest | x_observed) of a member is then a product of its conditionals. In an agnostic ensemble the observed
        values move to the front of each order; all else keeps its place. The result is the ensemble itself where they
        were in front before, and another ensemble over the same weights where they were not. Uria, Murray, Larochelle
        2014, A Deep and Tractable Density Estimator, arXiv:1310.1757, section 4.
        """
        members = self.each()
        if not self.agnostic:
            return members
        return [self._reordered(member, torch.argsort(~observed[member.order], stable=True)) for member in members]

    def _reordered(self, member: Autoregressive, steps: Tensor) -> Autoregressive:
        order = member.order[steps]
        assert isinstance(member.net, MaskedMLP)
        other = Autoregressive(self.space, member.net.rearranged(order), member.head, order, self.context)
        other.context_reader = member.context_reader
        return other.to(self.device, self.dtype).train(self.training)


class Masked(NamedTuple):
    """Events (R, *event) that share a mask, their places among all rows (R,), and the members that answer for them."""

    members: Sequence[Autoregressive]
    rows: Tensor
    x: Tensor
    observed: Tensor
    context: Tensor | None

    def log_marginals(self) -> Tensor:
        """(S, R): log p_s(x_observed)."""
        return torch.stack([member.log_marginal(self.x, self.observed, self.context) for member in self.members])
