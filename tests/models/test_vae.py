"""The VAE against the one latent variable model whose likelihood is known: probabilistic PCA is a linear VAE."""

import math

import pytest
import torch
from torch import Tensor, nn

from cases import data
from loglik.bijections.compose import Chain
from loglik.heads import NormalHead
from loglik.models.latent.ppca import ProbabilisticPCA
from loglik.models.latent.vae import VAE, vae
from loglik.ops import FAR
from loglik.spaces import Category, Integer, Real, Space

pytestmark = pytest.mark.usefixtures("float64")
SPACE = Real((4,))
LATENTS = 2
LIMIT = 7.0  # of log-scales, in the head and in the encoder


def raw(log_scale: Tensor) -> Tensor:
    """What a net has to say for a log-scale, before it is softly limited."""
    return LIMIT * torch.atanh(log_scale / LIMIT)


class LinearEncoder(nn.Module):
    """The posterior of PPCA, N(M^-1 W^T (x - mu), sigma^2 M^-1); its W has orthogonal columns, so M is diagonal."""

    def __init__(self, truth: ProbabilisticPCA) -> None:
        super().__init__()
        self.truth = truth
        self.stretch, self.shift = 1.0, 0.0  # other than these, q is not the posterior

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        q = self.truth.posterior(x.squeeze(-1))
        mean, covariance = q.mean, q.covariance[0]
        log_scale = 0.5 * covariance.diagonal().log() + math.log(self.stretch)
        return torch.cat([mean + self.shift, raw(log_scale).expand(len(x), -1)], dim=1)


class LinearDecoder(nn.Module):
    """(B, q) -> (B, 2 D): mean W z + mu and the log of sigma, interleaved as the head reads them."""

    def __init__(self, truth: ProbabilisticPCA) -> None:
        super().__init__()
        self.truth = truth

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        mean = z @ self.truth.weight.T + self.truth.mean
        return torch.stack([mean, raw(0.5 * self.truth.variance.log()).expand_as(mean)], dim=-1).flatten(1)


class GivenEncoder(LinearEncoder):
    """The posterior where x is given c, and x - c has the density of PPCA."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        assert context is not None
        return super().forward(x - context.unsqueeze(-1))


class GivenDecoder(LinearDecoder):
    """Mean W z + mu + c."""

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        assert context is not None
        params = super().forward(z).unflatten(1, (*SPACE.shape, 2))
        return torch.stack([params[..., 0] + context, params[..., 1]], dim=-1).flatten(1)


def linear_vae() -> tuple[VAE, LinearEncoder, ProbabilisticPCA, Tensor]:
    x = data(SPACE).double().clamp(-FAR, FAR)  # a net does not tell apart what lies further out
    truth = ProbabilisticPCA(SPACE, LATENTS, em=False, floor=0.0)
    truth.initialize(x)
    truth.maximize(truth.expect(x))
    encoder = LinearEncoder(truth)
    return VAE(SPACE, encoder, LinearDecoder(truth), NormalHead(LIMIT), Chain([]), latents=LATENTS), encoder, truth, x


def test_at_the_true_posterior_every_draw_gives_the_exact_likelihood() -> None:
    model, _, truth, x = linear_vae()
    exact = truth.log_prob(x)
    torch.testing.assert_close(model.log_likelihood(x), exact, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(model.bound(x, samples=7), exact, rtol=1e-9, atol=1e-9)


def test_away_from_it_the_elbo_lies_below_by_the_kl_divergence() -> None:
    """log p(x) - ELBO = KL(q | p(z|x)), between normals: (r^2 - 1 - 2 log r) / 2 for each latent, plus the shift's."""
    model, encoder, truth, x = linear_vae()
    encoder.stretch, encoder.shift = 1.3, 0.1
    covariance = truth.posterior(x).covariance[0]
    kl = LATENTS * 0.5 * (1.3**2 - 1.0 - 2.0 * math.log(1.3)) + 0.5 * float((0.1**2 / covariance.diagonal()).sum())
    exact = truth.log_prob(x).mean()
    draws = torch.stack([model.log_likelihood(x).mean() for _ in range(400)])
    assert float(exact - draws.mean()) == pytest.approx(kl, abs=5 * float(draws.std()) / 20)
    assert kl > 0


def test_bounds_climb_from_the_elbo_to_the_exact_likelihood() -> None:
    model, encoder, truth, x = linear_vae()
    encoder.stretch = 1.6
    exact = float(truth.log_prob(x).mean())
    bounds = [float(model.bound(x, samples=k).mean()) for k in (1, 4, 32, 1024)]
    assert bounds == sorted(bounds)
    assert bounds[0] < exact - 0.1
    assert bounds[-1] == pytest.approx(exact, abs=0.01)


def test_the_objective_has_the_mean_of_the_elbo() -> None:
    """Training takes KL(q|p) in closed form; the K-sample bound needs it from the same draw as the rest."""
    model, encoder, _, x = linear_vae()
    encoder.stretch, encoder.shift = 0.8, 0.2
    elbo = torch.stack([model.log_likelihood(x).mean() for _ in range(400)])
    objective = torch.stack([model.objective(x).mean() for _ in range(400)])
    error = float(elbo.mean() - objective.mean())
    assert abs(error) < 5 * math.hypot(float(elbo.std()), float(objective.std())) / 20


def test_samples_have_the_moments_of_ppca() -> None:
    model, _, truth, _ = linear_vae()
    x = model.sample(40_000)
    covariance = truth.weight @ truth.weight.T + truth.variance * torch.eye(4)
    torch.testing.assert_close(x.mean(0), truth.mean, atol=0.1, rtol=0)
    torch.testing.assert_close(torch.cov(x.T), covariance, atol=0.05 * float(covariance.max()), rtol=0)


def test_given_a_context_it_scores_and_samples_the_gaussian_that_the_context_moves() -> None:
    """Every row has a context of its own, and all draws of a bound are exact only with the right one."""
    _, _, truth, x = linear_vae()
    model = VAE(
        SPACE, GivenEncoder(truth), GivenDecoder(truth), NormalHead(LIMIT), Chain([]), latents=LATENTS, context=SPACE
    )
    c = torch.randn(len(x), *SPACE.shape)
    x = (x + c).clamp(-FAR, FAR)
    exact = truth.log_prob(x - c)
    assert torch.allclose(model.log_likelihood(x, c), exact, atol=1e-9)
    assert torch.allclose(model.bound(x, c, samples=3), exact, atol=1e-9)
    drawn = model.sample(20_000, c[:1])
    deviation = (drawn.mean(0) - truth.mean - c[0]) / (drawn.std(0) / len(drawn) ** 0.5)
    assert float(deviation.abs().max()) < 5.0
    assert torch.allclose(
        drawn.T.cov(), truth.weight @ truth.weight.T + truth.variance * torch.eye(4), rtol=0.1, atol=0.1
    )


def test_terms_have_their_signs_and_sum_to_the_elbo() -> None:
    model = vae(Integer((6,), 2), hidden=(8,), latents=3)
    x = torch.randint(2, (5, 6))
    torch.manual_seed(1)
    terms = model.elbo_terms(x)
    torch.manual_seed(1)
    torch.testing.assert_close(sum(terms.values()), model.log_likelihood(x))
    assert list(terms) == ["log p(x|z)", "log p(z)", "-log q(z|x)"]
    assert bool((terms["log p(x|z)"] < 0).all())


@pytest.mark.parametrize("space", [Real((1,)), Integer((1,), 2), Category((1,), 3), Integer((2, 2), 300)], ids=str)
def test_tiny_spaces_have_defaults(space: Space) -> None:
    model = vae(space)
    x = model.sample(4)
    assert torch.isfinite(model.log_likelihood(x)).all()


def test_reals_are_rescaled_inside_the_model() -> None:
    """The same model of data in other units has its density divided by the units' volume."""
    x = data(Real((3,))).double()

    def score(scale: float) -> Tensor:
        torch.manual_seed(0)
        model = vae(Real((3,)), hidden=(8,), latents=2)
        model.initialize(scale * x)
        return model.log_likelihood(scale * x)

    torch.testing.assert_close(score(1000.0), score(1.0) - 3 * math.log(1000.0), rtol=1e-6, atol=1e-6)
