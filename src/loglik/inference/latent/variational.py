"""Variational EM: every event has a q of its own, and the ELBO rises in its parameters and the model's by turns.

    phi   <- phi + eta grad_phi L(phi, theta)      q_i(z) = N(mean_i, L_i L_i^T), or a table of probabilities
    theta <- theta + eta grad_theta L(phi, theta)  L = (N / |batch|) sum_{i in batch} E_{q_i} [log p(x_i, z) - log q_i]

Neal & Hinton 1998, A view of the EM algorithm that justifies incremental, sparse, and other variants. Gradients over a
batch have the mean of those over all events. What separates L from log p(x) is KL(q_i | p(z|x_i)), event by event:
without a net that has to find q for all events, none of it is owed to amortisation.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from loglik.arguments.ranges import SAMPLES, SEEDS, Range, real, shown, whole
from loglik.arguments.tensors import tensor_of
from loglik.contract import Claim, Model, Posterior
from loglik.errors import UsageError
from loglik.inference.latent.joint import check_latents, check_whole, log_joint_of
from loglik.inference.randomness import seeded
from loglik.models.latent.posteriors import CategoricalPosterior, NormalPosterior

STEPS, RATE = Range(1, 10**9), Range(0.0, 10.0, above=True)
DRAWS = 4  # of each z in a step
LOOKS = 20  # at the ELBO of all events, evenly over the steps
DRAWS_OF_A_LOOK = 64


@dataclass
class VariationalFit:
    """`q` of all N events, and at each look the step, the mean ELBO, and the mean KL(q|p(z|x)) where log p(x) is known.

    Those are nats per event; `kl` is empty for models that have no exact log p(x).
    """

    q: Posterior
    steps: list[int] = field(default_factory=list)
    elbo: list[float] = field(default_factory=list)
    kl: list[float] = field(default_factory=list)


def variational_em(
    model: Model,
    x: object,
    *,
    context: Tensor | None = None,
    steps: int = 500,
    turns: int = 1,
    batch: int | None = None,
    lr: float = 0.05,
    model_lr: float = 0.0,
    seed: int = 0,
) -> VariationalFit:
    """Fit a q(z) of its own to every event, and with `model_lr` > 0 the model's parameters in turns with them.

    q starts at the model's own posterior(x). A q without amortisation is never worse than the net's, once it has
    converged; the difference is the amortisation gap (Cremer, Li, Duvenaud 2018, arXiv:1801.03558).

    Args:
        x: (N, *event).
        turns: steps of phi before each of theta.
        batch: events in a step; all by default.

    Raises:
        UsageError: latents that are neither normal nor counted; model_lr of a model that has no gradients.
        NotFinite: missing values, of a model that takes whole events here.

    >>> import torch, loglik
    >>> x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    >>> model = loglik.build("ppca", loglik.Real((3,)), latents=1)
    >>> history = loglik.fit(model, x)
    >>> found = loglik.variational_em(model, x, steps=50)
    >>> found.kl[-1] < 0.02  # nats from p(z|x), which has a formula here
    True
    """
    check_latents(model, "variational EM")
    x = model.space.events(tensor_of(x, "the events"), torch.float64).to(model.device)
    steps, turns = whole("steps", steps, STEPS), whole("turns", turns, STEPS)
    rows = len(x) if batch is None else min(len(x), whole("batch", batch, SAMPLES))
    lr = real("lr", lr, RATE)
    theta = [p for p in model.parameters() if p.requires_grad]
    if model_lr and not theta:
        raise UsageError(f"Expected model_lr=0 for a model without gradients; got {shown(model_lr)}. Fit it by EM.")
    with seeded(whole("seed", seed, SEEDS)):
        check_whole(model, x, context)
        was_training = model.training
        model.eval()
        own = OwnPosteriors.of(model, x, context)
        phi_optimizer = torch.optim.Adam(own.parameters, lr=lr)
        theta_optimizer = torch.optim.Adam(theta, lr=model_lr) if model_lr else None
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(phi_optimizer, steps)
        fit = VariationalFit(own.posterior())
        _look(fit, 0, model, x, context=context, own=own)
        in_turn = [phi_optimizer] * turns + ([theta_optimizer] if theta_optimizer is not None else [])
        for step in range(1, steps + 1):
            for optimizer in in_turn:
                index = torch.randperm(len(x), device=x.device)[:rows]
                # The mean over a batch in place of that over all: the same on average, in units of one event.
                loss = -own.elbo(model, x[index], None if context is None else context[index], index, DRAWS).mean()
                for parameter in [*own.parameters, *theta]:
                    parameter.grad = None
                loss.backward()
                optimizer.step()
            decay.step()
            if step == steps or step % max(1, steps // LOOKS) == 0:
                _look(fit, step, model, x, context=context, own=own)
        with torch.no_grad():
            fit.q = own.posterior()
        model.train(was_training)
        for parameter in theta:
            parameter.grad = None
    return fit


@torch.no_grad()
def _look(
    fit: VariationalFit, step: int, model: Model, x: Tensor, *, context: Tensor | None, own: "OwnPosteriors"
) -> None:
    with seeded(0):  # the same noise in every look
        elbo = own.elbo(model, x, context, torch.arange(len(x), device=x.device), DRAWS_OF_A_LOOK)
    fit.steps.append(step)
    fit.elbo.append(float(elbo.mean()))
    if model.claim is Claim.EXACT:
        fit.kl.append(float((model.log_likelihood(x, context).double() - elbo).mean()))


class OwnPosteriors:
    """The free parameters of a q for each event."""

    def __init__(self, parameters: list[Tensor], *, counted: bool) -> None:
        self.parameters = [p.detach().clone().double().requires_grad_() for p in parameters]
        self.counted = counted

    @classmethod
    def of(cls, model: Model, x: Tensor, context: Tensor | None) -> "OwnPosteriors":
        """Begin at the model's posterior."""
        with torch.no_grad():
            own = model.posterior(x, context)
        if isinstance(own, CategoricalPosterior):
            return cls([own.log_probs], counted=True)
        if not isinstance(own, NormalPosterior):
            raise UsageError(
                f"Expected normal or counted latents for variational EM; got those of {type(own).__name__}."
            )
        root = own.root.expand(len(x), -1, -1)
        return cls([own.mean, root.diagonal(dim1=1, dim2=2).log(), root.tril(-1)], counted=False)

    def posterior(self, index: Tensor | slice = slice(None)) -> NormalPosterior | CategoricalPosterior:
        if self.counted:
            return CategoricalPosterior(self.parameters[0][index].log_softmax(1), exact=False)
        mean, log_diagonal, below = (p[index] for p in self.parameters)
        return NormalPosterior(mean, below.tril(-1) + torch.diag_embed(log_diagonal.exp()), exact=False)

    def elbo(self, model: Model, x: Tensor, context: Tensor | None, index: Tensor, draws: int) -> Tensor:
        """(B,): E_q [log p(x, z) - log q(z)]; a sum over counted latents, otherwise the mean over draws."""
        q = self.posterior(index)
        if isinstance(q, CategoricalPosterior):
            z = q.support[:, None].expand(-1, len(x))
            return (q.log_probs.exp().T * (log_joint_of(model, x, z, context) - q.log_probs.T)).sum(0)
        z = q.sample(draws)
        # Of log q only the path through z has a gradient: the rest has mean 0, and would be all the noise that is left
        # where q is the posterior (Roeder, Wu, Duvenaud 2017, arXiv:1703.09194).
        held = NormalPosterior(q.mean.detach(), q.root.detach(), exact=False)
        return (log_joint_of(model, x, z, context) - held.log_prob(z)).mean(0)
