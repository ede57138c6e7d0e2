"""Mistakes that people make, as models: each breaks one law, and the law must say so.

Most are known from published code: see the comments. A mutation is made from a sound model by changing what is wrong
and nothing else.
"""

import math
from collections.abc import Callable
from typing import Any

import broken
import torch
from mutating import mutated, override
from sequence_mutations import MADE
from torch import Tensor

from cases import BINARY, LABEL_CONTEXT, LABELS, LEVELS, Case, data
from loglik.bijections.batch_norm import BatchNorm
from loglik.bijections.coupling import Coupling
from loglik.bijections.elementwise import Gaussianize, Logit, Standardize
from loglik.contract import Bijection, Claim, Model
from loglik.densities import StandardNormal
from loglik.heads.mcgsm import MCGSMHead
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.baselines.gaussian import Gaussian
from loglik.models.dequantized import Dequantized
from loglik.models.flow import Flow
from loglik.models.latent.vae import VAE
from loglik.spaces import Real, Space

PLANE = broken.PLANE
MADE_LABELS = Case("made", LABELS, {"hidden": (12,)}, LABEL_CONTEXT)
RIDE_PLANE = Case("ride", Real((1, 2)), {"width": 4, "components": 3, "scales": 2, "features": 4})
FLOW = Case("realnvp", PLANE, {"hidden": (8,), "layers": 3})
FLOW_GIVEN = Case("realnvp", PLANE, {"hidden": (8,), "layers": 3}, LABEL_CONTEXT)
BATCH_NORMED = Case("realnvp", Real((3,)), {"hidden": (8,), "layers": 3, "norm": "batch"})
VAE_GIVEN = Case("vae", LABELS, {"hidden": (8,), "latents": 2}, LABEL_CONTEXT)
VAE_CASE = Case("vae", LABELS, {"hidden": (8,), "latents": 2})
LOOSE_VAE = Case("vae", BINARY, {"hidden": (8,), "latents": 2})
GAUSSIAN = Case("gaussian", PLANE)
HISTOGRAM = Case("histogram", LABELS)
PPCA = Case("ppca", Real((3,)), {"latents": 1, "em": True})
GMM = Case("gmm", PLANE, {"components": 3})


def flipped_log_det() -> Model:
    def forward(self: Bijection, sound: Any, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, log_det = sound(self, x, context)
        return z, -log_det

    return mutated(FLOW, Coupling, forward=forward)


def without_log_det(sound: Any, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
    z, log_det = sound(x, context)
    return z, torch.zeros_like(log_det)


class Forgetful(Bijection):
    """A bijection whose log-determinant was forgotten, in both directions."""

    def __init__(self, bijection: Bijection) -> None:
        super().__init__()
        self.bijection = bijection

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return without_log_det(self.bijection, x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return without_log_det(self.bijection.inverse, z, context)


def forgotten_standardize() -> Model:
    scale = Standardize((2,))
    scale.scale.fill_(3.0)
    return Flow(PLANE, Forgetful(scale), StandardNormal(PLANE))


def forgotten_logit() -> Model:
    return Dequantized(LEVELS, Flow(PLANE, Forgetful(Logit(0.0, 3.0)), StandardNormal(PLANE)))


def forgotten_gaussianize() -> Model:
    return Dequantized(LEVELS, Flow(PLANE, Forgetful(Gaussianize(LEVELS)), StandardNormal(PLANE)))


def forgotten_whitening() -> Model:
    """RIDE without log|det L|: the density of the whitened pixels, not of the pixels."""

    def log_prob(head: MCGSMHead, sound: Any, params: Tensor, x: Tensor) -> Tensor:
        _, _, L = head.read(params)
        log_p: Tensor = sound(head, params, x) - L.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return log_p

    return mutated(RIDE_PLANE, MCGSMHead, log_prob=log_prob)


def one_sided_coupling() -> Model:
    """The inverse steers by z where it should steer by the part that passed."""

    def inverse(self: Coupling, sound: Any, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, log_det = sound(self, z, context)
        return x.index_add(1, self.passes, torch.full_like(x[:, self.passes], 1e-6)), log_det

    return mutated(FLOW, Coupling, inverse=inverse)


def unnormalised_histogram() -> Model:
    model = broken.Unnormalised(LABELS, 0.1)
    x = torch.randint(3, (50, 3))
    model.maximize(model.expect(x))
    return model


def exact_by_claim() -> Model:
    model = VAE_CASE.model()
    model.__class__ = type("VAE", (VAE,), {"claim": property(lambda self: Claim.EXACT)})
    return model


def with_terms(change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Model:
    def elbo_terms(self: VAE, sound: Any, x: Tensor, context: Tensor | None = None) -> dict[str, Tensor]:
        return change(sound(self, x, context))

    return mutated(VAE_CASE, VAE, elbo_terms=elbo_terms)


def with_bound(bound: Callable[[Tensor], Tensor]) -> Model:
    """A VAE whose K-sample bound joins the log weights (B, K) in another way."""

    def joined(self: VAE, sound: Any, x: Tensor, context: Tensor | None = None, *, samples: int = 1) -> Tensor:
        return bound(torch.stack([self.log_likelihood(x, context) for _ in range(samples)], dim=1))

    return mutated(LOOSE_VAE, VAE, bound=joined)


def without_the_largest(log_w: Tensor) -> Tensor:
    """log (1/K) sum_k w_k, stabilised by leaving out what it was to be scaled by."""
    rest = log_w.masked_fill(log_w == log_w.amax(1, keepdim=True), -torch.inf) if log_w.shape[1] > 1 else log_w
    return rest.logsumexp(1) - torch.tensor(float(log_w.shape[1])).log()


def bound_with_other_contexts() -> Model:
    """Events are repeated one by one, contexts as a whole."""

    def bound(self: VAE, sound: Any, x: Tensor, context: Tensor | None = None, *, samples: int = 1) -> Tensor:
        assert context is not None
        repeated = x.repeat_interleave(samples, 0), context.repeat(samples, *[1] * (context.ndim - 1))
        return self.log_likelihood(*repeated).reshape(len(x), samples).logsumexp(1) - math.log(samples)

    return mutated(VAE_GIVEN, VAE, bound=bound)


def decoder_without_context() -> Model:
    def _decode(self: VAE, sound: Any, z: Tensor, context: Tensor | None) -> Tensor:
        return sound(self, z, None if context is None else torch.zeros_like(context))

    return mutated(VAE_GIVEN, VAE, _decode=_decode)


def batch_norm_halved_in_training() -> Model:
    def training_forward(
        self: BatchNorm, sound: Any, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        z, log_det = sound(self, x, context)
        return z, 0.5 * log_det

    return mutated(BATCH_NORMED, BatchNorm, training_forward=training_forward)


def half_a_kl() -> Model:
    """A beta that was left in: the objective is no bound, and nobody says so."""

    class HalfAKL(VAE):
        def objective(self, x: Tensor, context: Tensor | None = None) -> Tensor:
            return 0.5 * (super().objective(x, context) + self.elbo_terms(x, context)["log p(x|z)"])

    HalfAKL.objective.__module__ = VAE.__module__
    model = LOOSE_VAE.model()
    model.__class__ = HalfAKL
    return model


def wider_sampler() -> Model:
    def sample(self: Gaussian, sound: Any, n: int, context: Tensor | None = None) -> Tensor:
        return self.mean + 1.1 * (sound(self, n, context) - self.mean)

    return mutated(GAUSSIAN, Gaussian, sample=sample)


def sampler_of_the_likeliest() -> Model:
    """argmax in place of a draw."""
    model = MADE.model()
    assert isinstance(model, Autoregressive)
    override(model.head, "sample", lambda head, sound, params, noise=None: (params.squeeze(-1) > 0).long())
    model.head.drawing = None  # loops that are compiled would ask no head
    return model


def independent_sampler() -> Model:
    """The right marginals without their dependence."""

    def sample(self: Model, sound: Any, n: int, context: Tensor | None = None) -> Tensor:
        x = sound(self, n, context)
        return torch.stack([column[torch.randperm(n)] for column in x.unbind(1)], dim=1)

    return mutated(GMM, type(GMM.model()), sample=sample)


def shrunken_latents() -> Model:
    """Samples from the decoder at z = 0."""

    def sample(self: VAE, sound: Any, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        return self.head.sample(self._decode(torch.zeros(n, self.latents, dtype=self.dtype), context))

    return mutated(VAE_CASE, VAE, sample=sample)


def fitted(model: Any, space: Space) -> Model:
    """Initialised and after one pass of EM on the cases' data."""
    x = data(space)
    model.initialize(x)
    model.maximize(model.expect(x))
    assert isinstance(model, Model)
    return model
