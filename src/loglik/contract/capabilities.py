"""What a model may be able to do beyond scoring and sampling: for each ability a question, and methods that refuse.

A model that has an ability overrides the question and the methods together. A model made of parts asks its parts. The
rest of the house asks the question, and never which class a model is.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn

from loglik.arguments.ranges import SAMPLES, whole
from loglik.arguments.tensors import tensor_of
from loglik.contract.claim import Claim, FittedBy
from loglik.contract.posterior import Posterior
from loglik.contract.stats import Stats
from loglik.errors import UsageError
from loglik.ops import log_mean_exp, repeat_rows, uniform_like

if TYPE_CHECKING:
    from loglik.contract.model import Model

ROWS_AT_ONCE = 4096  # importance samples are evaluated in slices of about so many rows


class Capabilities(nn.Module, ABC):
    """Questions and the methods that they promise. Shapes are those of `Model`."""

    @property
    @abstractmethod
    def claim(self) -> Claim:
        """How `log_likelihood` may be read."""

    @abstractmethod
    def log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event) -> (B,): nats per event. The log density on Real spaces, the log probability on discrete ones."""

    # How the parameters are found.

    @property
    def fitted_by(self) -> FittedBy:
        """By default gradients, where there is a parameter that has one."""
        learns = any(parameter.requires_grad for parameter in self.parameters())
        return FittedBy.GRADIENTS if learns else FittedBy.NOTHING

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> Stats:
        """(B, *event) -> statistics of these events, expected under the parameters as they are.

        Args:
            weights: (B,) float64, none negative: each event counts so many times. By default once.
        """
        self._refuse("is not fitted by EM or in closed form; train it by its objective")

    def expect_dequantized(
        self, x: Tensor, context: Tensor | None = None, *, draws: int = 1, weights: Tensor | None = None
    ) -> Stats:
        """`expect` of x + u, u ~ U[0, 1)^D: the mean of `draws` draws of u, or exact where the integral is known."""
        total = self.expect(x + uniform_like(x), context, weights=weights)
        for _ in range(draws - 1):
            total = total + self.expect(x + uniform_like(x), context, weights=weights)
        return total / draws

    def maximize(self, stats: Any) -> None:
        """Set the parameters to the best ones for these statistics."""
        self._refuse("is not fitted by EM or in closed form; train it by its objective")

    @property
    def learns_gaps(self) -> bool:
        """Whether `initialize` and `expect` take events of which some values are missing, NaN.

        Such an event counts by log p of what was observed of it; nothing is filled in, and no event is left out.
        """
        return False

    # What is believed of the parameters before any data.

    @property
    def has_prior(self) -> bool:
        """Whether `log_prior` belongs to what a fit maximises."""
        return False

    def log_prior(self) -> Tensor:
        """log p(theta), (): counted once for a data set, not once for an event or a batch."""
        self._refuse("has no prior over its parameters")

    @property
    def has_evidence(self) -> bool:
        """Whether the parameters are integrated over, not chosen: `log_evidence` is there.

        A model that rescales its events by what it measured of them, such as a `Flow`, does not forward it: log p(X)
        would want the log-determinants of rows that it no longer has.
        """
        return False

    @property
    def evidence_claim(self) -> Claim:
        """What `log_evidence` is of log p(X); an estimate where the prior was set from the same rows."""
        return Claim.EXACT

    def log_evidence(self) -> Tensor:
        """log p(X) = log int p(X|theta) p(theta) dtheta of the rows that the model was fitted to, (), in nats."""
        self._refuse("has no evidence: its parameters are chosen, not integrated over under a prior of yours")

    # Latents and importance weights.

    @property
    def infers(self) -> bool:
        """Whether the latents of an event can be drawn and scored: `posterior`, `infer` and `log_joint` are there."""
        return False

    def posterior(self, x: Tensor, context: Tensor | None = None) -> Posterior:
        """(B, *event) -> p(z|x), or the q(z|x) that stands for it; the result says which it is."""
        self._refuse("has no latents to infer")

    def infer(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, *event) -> a draw z ~ q(z|x), (B, *latent), and log q(z|x), (B,)."""
        q = self.posterior(x, context)
        z = q.sample(1)
        return z[0], q.log_prob(z)[0]

    def log_joint(self, x: Tensor, z: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event), (B, *latent) -> log p(x, z), (B,)."""
        self._refuse("has no latents to infer")

    @property
    def draws_latents(self) -> bool:
        """Whether p(z) is at hand by itself: `sample_latents` and `log_latent` are there to call."""
        return False

    def sample_latents(self, n: int, context: Tensor | None = None) -> Tensor:
        """n draws z ~ p(z), (n, *latent)."""
        self._refuse("has no latents with a density of their own")

    def log_latent(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *latent) -> log p(z), (B,)."""
        self._refuse("has no latents with a density of their own")

    def elbo_terms(self, x: Tensor, context: Tensor | None = None) -> dict[str, Tensor]:
        """name -> (B,) or (B, T): the terms of the ELBO; none where the likelihood is no bound."""
        return {}

    @property
    def has_weights(self) -> bool:
        """Whether one draw of the model's noise is an importance weight of p(x): `log_weight` is there to call."""
        return self.infers

    def log_weight(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event) -> (B,): log w = log p(x, z) - log q(z|x) of one draw z ~ q(z|x) for each event; E w = p(x)."""
        if not self.infers:
            self._refuse("has no importance weights; score it by log_likelihood, without K")
        z, log_q = self.infer(x, context)
        return self.log_joint(x, z, context) - log_q

    def bound(self, x: Tensor, context: Tensor | None = None, *, samples: int = 1) -> Tensor:
        """(B, *event) -> (B,): log (1/K) sum_k w_k with K = `samples` weights; K = 1 is the ELBO of latent models.

        Raises:
            UsageError: fewer than 1 sample; a model without weights.
        """
        x, samples = tensor_of(x, "the events"), whole("samples", samples, SAMPLES)
        at_once = max(1, min(samples, ROWS_AT_ONCE // max(1, len(x))))
        log_w = []
        for start in range(0, samples, at_once):
            k = min(at_once, samples - start)
            log_w.append(self.log_weight(x.repeat_interleave(k, dim=0), repeat_rows(context, k)).reshape(len(x), k))
        return log_mean_exp(torch.cat(log_w, dim=1), dim=1)

    # Values that are not observed.

    def conditions(self, observed: Tensor) -> Claim | None:
        """The claim of `log_marginal` for these masks, (B, *event) bool, one for each row.

        None: the values that are not observed cannot be left out.
        """
        return None

    def log_marginal(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event), observed (B, *event) bool -> (B,): log p(x_observed). What x holds elsewhere is ignored."""
        self._refuse("cannot leave these values out; give whole events")

    def log_conditional(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event), observed (B, *event) bool -> (B,): log p(x_rest | x_observed); see `conditional_claim`."""
        return self.log_likelihood(x, context) - self.log_marginal(x, observed, context)

    def conditional_claim(self, observed: Tensor) -> Claim | None:
        """How `log_conditional` may be read; None where the rest cannot be left out.

        log p(x) minus an exact marginal claims what log p(x) claims. Minus anything else it is an estimate: a bound is
        too low by an unknown amount, and the difference of two bounds may lie on either side.
        """
        marginal = self.conditions(observed)
        return self.claim if marginal is Claim.EXACT else None if marginal is None else Claim.ESTIMATE

    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """x (B, *event) with the values that are not observed drawn from p(x_rest | x_observed)."""
        self._refuse("cannot leave these values out; give whole events")

    # Sequences: streams, guided samples, parts.

    @property
    def carries(self) -> bool:
        """Whether the model can remember the event before: `log_likelihood_from` is there to call.

        It is for streams, whose events are windows of one long sequence (`Source.stream`).
        """
        return False

    def log_likelihood_from(
        self, x: Tensor, state: Tensor | None, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, *event), state (B, ...) -> log p(x_w | x_<w) (B,), the state after x_w (B, ...).

        The state is all that the model remembers of the windows before; None is the beginning, where the result is
        `log_likelihood`. Over consecutive windows the results sum to log p of the whole sequence. The new state is
        detached: gradients end at the window's beginning (truncated backpropagation through time).
        """
        self._refuse("scores every window by itself; it carries no state from one to the next")

    @property
    def guided(self) -> bool:
        """Whether samples can be drawn value by value, under guidance: `sample_guided` is there to call."""
        return False

    def sample_guided(
        self, n: int, context: Tensor | None = None, *, given: Tensor | None = None, temperature: float = 1.0,
        top_k: int | None = None, length: int | None = None,
    ) -> Tensor:  # fmt: skip
        """n draws (n, *event) or (n, length) that begin with `given`, sharpened by a temperature or by a top k."""
        self._refuse(f"takes no beginning, temperature, top k or length: it {self.unguided}")

    @property
    def unguided(self) -> str:
        """Why samples cannot be guided, as the end of a sentence about the model."""
        return "draws whole events"

    @property
    def lengthens(self) -> bool:
        """Whether guided samples can be longer than an event: `sample_guided` takes a `length`."""
        return False

    @property
    def shortens(self) -> bool:
        """Whether the first values of a sequence can be events of their own: `shortened` is there to call."""
        return False

    def shortened(self, length: int) -> "Model":
        """The model of the first `length` of the T values of a sequence, 0 < length < T."""
        self._refuse("has no probability of a part; give whole events")

    def _refuse(self, why: str) -> NoReturn:
        recipe = getattr(self, "recipe", None) or {}
        raise UsageError(f"{recipe.get('name', type(self).__name__)} {why}.")
