"""The variational autoencoder.   Kingma & Welling 2014, Auto-Encoding Variational Bayes, arXiv:1312.6114."""

from collections.abc import Sequence

import torch
from torch import Tensor

from loglik.arguments.ranges import Count, Share
from loglik.bijections.compose import Chain
from loglik.bijections.elementwise import Standardize
from loglik.contract import Bijection, LatentModel
from loglik.densities import normal_log_prob
from loglik.heads import Head, head_for
from loglik.models.latent.posteriors import NormalPosterior
from loglik.models.latent.standard_latents import StandardLatents
from loglik.nets.dense.mlp import MLP
from loglik.ops import at_least_float32, sum_event
from loglik.spaces import Space

LOG_SCALE_LIMIT = 7.0


class VAE(StandardLatents, LatentModel):
    """p(x) = int p(x|z) p(z) dz,  p(z) = N(0, I),  p(x|z) by the head on decoder(z).

        q(z|x) = N(mean, scale^2),  mean and log scale by encoder(x)
        ELBO = E_q [log p(x|z) + log p(z) - log q(z|x)]

    Scoring uses one draw of z for every term, so that K draws give the K-sample bound; training uses the closed form of
    KL(q(z|x) | p(z)), which has less noise and the same mean. Reals are rescaled first, with the log-determinant. The
    decoder starts from the marginals of the data.
    """

    def __init__(
        self,
        space: Space,
        encoder: MLP,
        decoder: MLP,
        head: Head,
        rescale: Bijection,
        *,
        latents: int,
        context: Space | None = None,
    ) -> None:
        super().__init__(space, context)
        self.encoder, self.decoder = encoder, decoder
        self.head, self.rescale = head, rescale
        self.latents = latents

    @property
    def latent_dims(self) -> int:
        return self.latents

    def elbo_terms(self, x: Tensor, context: Tensor | None = None) -> dict[str, Tensor]:
        y, log_det, mean, log_scale = self._encoded(x, context)
        z = mean + torch.exp(log_scale) * torch.randn_like(mean)
        return {
            "log p(x|z)": self._log_decoded(y, z, context) + log_det,
            "log p(z)": sum_event(normal_log_prob(z)),
            "-log q(z|x)": -sum_event(normal_log_prob(z, mean, log_scale)),
        }

    @property
    def infers(self) -> bool:
        return True

    def log_weight(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The terms are of one draw of z: their sum is its log weight."""
        return self.log_likelihood(x, context)

    def posterior(self, x: Tensor, context: Tensor | None = None) -> NormalPosterior:
        """q(z|x) = N(mean, scale^2)."""
        _, _, mean, log_scale = self._encoded(x, context)
        return NormalPosterior(mean, torch.diag_embed(log_scale.exp()), exact=False)

    def log_joint(self, x: Tensor, z: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(x|z) + log p(z)."""
        y, log_det = self.rescale(self.events(x, context, torch.float64))
        log_joint: Tensor = self._log_decoded(y, z, context) + log_det + self.log_latent(z)
        return log_joint

    def objective(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        y, log_det, mean, log_scale = self._encoded(x, context)
        z = mean + torch.exp(log_scale) * torch.randn_like(mean)
        kl = 0.5 * sum_event(mean.square() + torch.exp(2.0 * log_scale) - 1.0 - 2.0 * log_scale)
        return self._log_decoded(y, z, context) + log_det - kl

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        context = self.contexts(n, context)
        z = torch.randn(n, self.latents, dtype=self.dtype, device=self.device)
        y = self.head.sample(self._decode(z, context))
        return self.rescale.inverse(y)[0]

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        self.measure_context(context)
        y = self.rescale.initialize(self.events(x, context, torch.float64))
        self.decoder.start(self.head.marginal(y).flatten())

    def _encoded(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        y, log_det = self.rescale(self.events(x, context, torch.float64))
        encoded = self.encoder(self.head.encode(y, self.dtype), self.condition(context))
        mean, raw = at_least_float32(encoded).chunk(2, dim=1)
        return y, log_det, mean, LOG_SCALE_LIMIT * torch.tanh(raw / LOG_SCALE_LIMIT)

    def _decode(self, z: Tensor, context: Tensor | None) -> Tensor:
        return self.decoder(z, self.condition(context)).unflatten(1, (*self.space.shape, -1))  # type: ignore[no-any-return]

    def _log_decoded(self, y: Tensor, z: Tensor, context: Tensor | None) -> Tensor:
        return sum_event(self.head.log_prob(self._decode(z, context), y))


def vae(
    space: Space,
    *,
    latents: Count | None = None,
    hidden: Sequence[Count] = (256, 256),
    dropout: Share = 0.0,
    context: Space | None = None,
) -> VAE:
    """Encoder and decoder have `hidden` widths (reversed in the decoder); `latents` defaults to D / 2, at most 32.

    The likelihood of discrete data is a probability, by the head of their space; reals are standardised.

    >>> import torch, loglik
    >>> x = torch.randint(2, (100, 6), generator=torch.Generator().manual_seed(0))
    >>> model = loglik.build("vae", loglik.Integer((6,), levels=2), hidden=(8,), latents=2, seed=0)
    >>> history = loglik.fit(model, x, steps=20)
    >>> one, many = (loglik.evaluate(model, x, samples=k) for k in (1, 64))
    >>> many.nats > one.nats, str(many.claim)  # more samples tighten the bound
    (True, 'lower bound')
    """
    head = head_for(space)
    latents = max(1, min(32, space.dims // 2)) if latents is None else latents
    width = context.width if context else 0
    encoder = MLP(space.dims * head.inputs, hidden, 2 * latents, context=width, dropout=dropout)
    decoder = MLP(latents, tuple(hidden)[::-1], space.dims * head.params, context=width, dropout=dropout)
    rescale: Bijection = Standardize(space.shape) if space.limits is None else Chain([])
    return VAE(space, encoder, decoder, head, rescale, latents=latents, context=context)
