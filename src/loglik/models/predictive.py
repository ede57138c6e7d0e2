"""The posterior predictive: the mean of p(x | theta_s) over draws of the parameters.

    log p(x | X) = log int p(x | theta) p(theta | X) dtheta  ~  log (1/S) sum_s p(x | theta_s),  theta_s ~ p(theta | X)

The mean of S densities is a density: that of this model is as exact as its members'. What is approximate is how the
draws stand for the posterior; `about` says by which method they were found.
"""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from loglik.contract import Claim, FittedBy, Model
from loglik.errors import UsageError
from loglik.ops import log_mean_exp


class PosteriorPredictive(Model):
    """The mean of the densities of one model under S sets of weights.

    Args:
        like: the model. Masks and orders, which follow from its hyperparameters, are held once for all draws.
        draws: S; `of` sets their weights, or a run.
        about: how the draws were found, in words.
        log_evidence: the method's estimate of log p(X), in nats of all rows; None where it has none.
    """

    def __init__(self, like: Model, draws: int, about: str = "", log_evidence: float | None = None) -> None:
        super().__init__(like.space, like.context, like.dtype)
        if like.claim is not Claim.EXACT and not like.has_weights:
            raise UsageError(
                f"Expected a model whose p(x) is exact or has importance weights; got {type(like).__name__}, which has "
                "a bound alone, and a mean of bounds need not be one. Take the members by themselves."
            )
        kept = like.state_dict().keys()
        shared = {id(t): t for name, t in like.named_buffers() if name not in kept}
        members = [copy.deepcopy(like, dict(shared)).requires_grad_(False) for _ in range(draws)]
        self.members = nn.ModuleList(members)
        self.about, self.log_evidence_told = about, log_evidence
        if like.recipe is not None:
            told = {"draws": draws, "about": about, "log_evidence": log_evidence}
            self.recipe = {**like.recipe, "posterior": told}
        self.eval()

    @classmethod
    def of(
        cls, like: Model, states: Sequence[Mapping[str, Tensor]], about: str, log_evidence: float | None = None
    ) -> "PosteriorPredictive":
        """The predictive whose members have these weights, by name; what a state leaves out is that of `like`."""
        model = cls(like, len(states), about, log_evidence)
        for member, state in zip(model.members, states, strict=True):
            member.load_state_dict({**like.state_dict(), **state})
        model.fitted = True
        return model

    @property
    def claim(self) -> Claim:
        return self._each[0].claim

    @property
    def fitted_by(self) -> FittedBy:
        return FittedBy.NOTHING

    @property
    def remark(self) -> str:
        return self.about

    @property
    def has_weights(self) -> bool:
        return self._each[0].has_weights

    def log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event) -> (B,). Of a latent model one importance weight per draw: E log (1/S) sum w_s <= log p(x)."""
        if self.claim is not Claim.EXACT:
            return self.log_weight(x, context)
        return log_mean_exp(torch.stack([member.log_likelihood(x, context) for member in self._each]))

    def log_weight(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return log_mean_exp(torch.stack([member.log_weight(x, context) for member in self._each]))

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        """A draw of the weights for each event, then an event under them."""
        context = self.contexts(n, context)
        which = torch.randint(len(self.members), (n,), device=self.device)
        parts, places = [], []
        for s in which.unique().tolist():
            rows = (which == s).nonzero().squeeze(1)
            parts.append(self._each[s].sample(len(rows), None if context is None else context[rows]))
            places.append(rows)
        return torch.cat(parts)[torch.cat(places).argsort()]

    @property
    def _each(self) -> list[Model]:
        return [member for member in self.members if isinstance(member, Model)]
