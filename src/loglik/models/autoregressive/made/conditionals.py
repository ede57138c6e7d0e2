"""p(x_unseen | x_seen), exactly, where the order of generation puts the seen values first.

With members p_s, s = 1..S, whose orders all begin with the seen values,

    p(x_unseen | x_seen) = sum_s p_s(x_seen) p_s(x_unseen | x_seen) / sum_s p_s(x_seen),

and both factors are products of conditionals of one pass. Uria, Murray, Larochelle 2014, A Deep and Tractable Density
Estimator, arXiv:1310.1757, section 4.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from loglik.bijections.elementwise import Standardize
from loglik.errors import ShapeMismatch, UsageError
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.flow import ExactFlow


def conditional_log_prob(
    members: Sequence[Autoregressive], x: Tensor, observed: Tensor, context: Tensor | None
) -> Tensor:
    """(B, *event), observed (*event) -> (B,): log p(x_unseen | x_seen); members as from `beginning_with`."""
    seen = int(observed.sum())
    parts = [_in_order(member, x, context) for member in members]
    beginnings = torch.stack([part[:, :seen].sum(1) for part in parts])
    return torch.stack([part.sum(1) for part in parts]).logsumexp(0) - beginnings.logsumexp(0)


@torch.no_grad()
def sample_given(members: Sequence[Autoregressive], x: Tensor, observed: Tensor, context: Tensor | None) -> Tensor:
    """(B, *event), observed (*event) -> (B, *event): x with its unseen values, whatever they were, drawn anew."""
    model = members[0]
    observed = observed.to(model.device)
    x = model.events(torch.where(observed, x, torch.zeros_like(x)), context)
    chosen = torch.zeros(len(x), dtype=torch.long, device=model.device)
    if len(members) > 1:
        seen = int(observed.sum())
        log_seen = torch.stack([_in_order(member, x, context)[:, :seen].sum(1) for member in members], dim=1)
        chosen = torch.multinomial(torch.softmax(log_seen.double(), 1), 1).squeeze(1)
    drawn = torch.empty_like(x)
    for s in range(len(members)):
        rows = (chosen == s).nonzero().squeeze(1)
        if not len(rows):
            continue
        drawn[rows] = _continued(members[s], x[rows], observed, None if context is None else context[rows])
    return drawn


def beginning_with(members: Sequence[Autoregressive], observed: Tensor) -> Sequence[Autoregressive]:
    """The members, if all of their orders begin with the observed values.

    Raises:
        ShapeMismatch: `observed` is not of the shape of an event. UsageError: the orders begin with other values.
    """
    known = observed_places(members[0], observed)
    for member in members:
        if not torch.equal(member.order[: len(known)].sort().values, known):
            raise UsageError(
                "Expected the observed values to come first in the order of generation; got others, and the net was "
                "not trained for them. Build with order='agnostic'."
            )
    return members


def observed_places(model: Autoregressive, observed: Tensor) -> Tensor:
    """(k,): the flattened places of the observed values."""
    if tuple(observed.shape) != model.space.shape or observed.dtype != torch.bool:
        raise ShapeMismatch(
            f"Expected what is observed as a bool tensor {model.space.shape}, one for all events; "
            f"got {observed.dtype} {tuple(observed.shape)}."
        )
    return observed.flatten().nonzero().squeeze(1).to(model.device)


class MaskedAutoregressive(Autoregressive):
    """One masked net and one order, with the conditionals that its order allows."""

    def conditional_log_prob(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event), observed (*event) -> (B,): log p(x_unseen | x_seen), if the order begins with the observed."""
        return conditional_log_prob(beginning_with([self], observed), x, observed, context)

    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """x with its unseen values drawn from p(x_unseen | x_seen), (B, *event)."""
        return sample_given(beginning_with([self], observed), x, observed, context)


class Standardized(ExactFlow):
    """A flow that standardises each value: conditionals of the base are those of x, in other units."""

    def conditional_log_prob(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event), observed (*event) -> (B,): log p(x_unseen | x_seen), in nats."""
        z, _ = self.noise(x, context)
        log_scale = self.rescale.scale.log()[~observed.to(x.device)]
        log_prob: Tensor = self.base.conditional_log_prob(z, observed, context) - log_scale.sum()
        return log_prob

    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """x with its unseen values drawn from p(x_unseen | x_seen), (B, *event)."""
        z, _ = self.noise(x, context)
        drawn = self.rescale.preimage(self.base.sample_given(z, observed, context))
        return torch.where(observed.to(x.device), x.to(drawn.dtype), drawn)

    rescale: Standardize
    base: Any  # a MaskedAutoregressive or a MaskEnsemble


def _in_order(model: Autoregressive, x: Tensor, context: Tensor | None) -> Tensor:
    """(B, D): the log probability of each value given those before it, in the order of generation."""
    x = model.events(x, context)
    log_probs: Tensor = model.head.log_prob(model.conditionals(x, context), x)
    return log_probs.flatten(1)[:, model.order]


def _continued(model: Autoregressive, x: Tensor, observed: Tensor, context: Tensor | None) -> Tensor:
    """Rows of x with what follows the observed beginning drawn value by value."""
    in_order = x.flatten(1)[:, model.order]
    noise = model.head.noise((model.space.dims, len(x)), torch.empty(0, dtype=model.dtype, device=model.device))
    given = in_order[:, : int(observed.sum())].T
    values = model.steps(len(x), context).run(model.head, noise, given)
    drawn = torch.empty_like(in_order)
    drawn[:, model.order] = values.T.to(drawn.dtype)
    return drawn.reshape(x.shape)
