"""Variational dequantisation: q(u|x) is a density, begins uniform, and can only tighten the bound."""

from itertools import pairwise
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn

import loglik
from cases import LABEL_CONTEXT, data
from loglik.contract import Claim, Model
from loglik.densities import StandardLogistic
from loglik.laws.enumeration import all_events
from loglik.models.dequantized import Dequantized
from loglik.models.flow import ExactFlow
from loglik.models.flows.nice import nice
from loglik.models.flows.realnvp import realnvp, realnvp_images
from loglik.models.flows.variational import VariationalNoise, image_noise, vector_noise
from loglik.ops import sum_event
from loglik.spaces import Integer, Real

pytestmark = pytest.mark.usefixtures("float64")
POINTS, WEIGHTS = (torch.from_numpy(part) for part in numpy.polynomial.legendre.leggauss(40))


def anywhere(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module


def density_of(noise: VariationalNoise, shape: tuple[int, ...]) -> ExactFlow:
    """q(u|x) as a model of u, its context the inputs of the nets."""
    given = Real((noise.space.dims,))
    base = StandardLogistic(Real((noise.space.dims,)), given)
    return ExactFlow(Real(shape), noise.bijection, base, rescale=noise.logit)


NOISES = {
    "one value": (Integer((1,), 4), lambda space: vector_noise(space, (8,))),
    "a vector": (Integer((5,), 3), lambda space: vector_noise(space, (8,))),
    "an image": (Integer((3, 3), 4), lambda space: image_noise(space, 4)),
    "colours": (Integer((2, 2, 2), 300), lambda space: image_noise(space, 4)),
}


@pytest.mark.parametrize("name", NOISES)
def test_it_begins_as_the_uniform_noise(name: str) -> None:
    space, make = NOISES[name]
    with torch.no_grad():
        u, log_q = make(space).draw(torch.randint(space.levels, (4_000, *space.shape)))
    torch.testing.assert_close(log_q, torch.zeros(4_000))
    assert u.shape == (4_000, *space.shape)
    assert float(u.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(u.var()) == pytest.approx(1.0 / 12.0, abs=0.01)


@pytest.mark.parametrize("name", NOISES)
def test_its_draws_are_scored_by_its_own_density(name: str) -> None:
    space, make = NOISES[name]
    noise = make(space)
    anywhere(noise)
    x = torch.randint(space.levels, (30, *space.shape))
    u, log_q = noise.draw(x)
    assert bool(((u >= 0) & (u < 1)).all())
    assert float(log_q.detach().abs().max()) > 0.01
    expected = density_of(noise, space.shape).log_prob(u, space.features(x))
    torch.testing.assert_close(log_q, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dims", [1, 2])
def test_it_integrates_to_one_given_each_x(dims: int) -> None:
    space = Integer((dims,), 4)
    noise = vector_noise(space, (8,))
    anywhere(noise)
    u = (torch.arange(400) + 0.5) / 400
    grid = torch.cartesian_prod(*[u] * dims).reshape(-1, dims)
    totals = []
    for level in range(4):
        x = torch.full((1, dims), level)
        with torch.no_grad():
            log_q = density_of(noise, (dims,)).log_prob(grid, space.features(x).expand(len(grid), -1))
        totals.append(float(log_q.exp().mean()))
    assert totals == pytest.approx([1.0] * 4, abs=2e-3)


def exact(model: Dequantized, x: Tensor) -> Tensor:
    """log P(x) = log int_[0,1)^D p(x + u) du by the product rule of Gauss and Legendre."""
    dims = x.shape[1]
    u = torch.cartesian_prod(*[0.5 * (POINTS + 1.0)] * dims).reshape(-1, dims)
    w = torch.cartesian_prod(*[0.5 * WEIGHTS] * dims).reshape(-1, dims).prod(1)
    with torch.no_grad():
        return torch.stack([model.density.log_likelihood(row + u).add(w.log()).logsumexp(0) for row in x])


@pytest.mark.parametrize("space", [Integer((1,), 4), Integer((2,), 3)], ids=str)
def test_more_samples_tighten_the_bound_up_to_the_exact_mass(space: Integer) -> None:
    model = nice(space, hidden=(8,), rescale="linear", dequantization="variational")
    anywhere(model)
    assert isinstance(model, Dequantized)
    x = all_events(model)
    truth = exact(model, x)
    with torch.no_grad():
        bounds = [model.bound(x.repeat(400, 1), samples=k).reshape(400, -1).mean(0) for k in (1, 4, 16)]
        assert bool((bounds[0] < truth + 0.01).all())
        assert all(bool(few.mean() < many.mean() + 0.005) for few, many in pairwise(bounds))
        torch.testing.assert_close(model.bound(x, samples=30_000), truth, atol=0.03, rtol=0)
    assert float(bounds[0].mean() - truth.mean()) < -0.005  # noise of random weights is not the posterior of u


def bound(model: Model, x: Tensor) -> float:
    torch.manual_seed(5)
    with torch.no_grad():
        return float(model.log_likelihood(x.repeat(20, *[1] * (x.ndim - 1))).mean())


@pytest.mark.parametrize(("space", "images"), [(Integer((2,), 3), False), (Integer((2, 3), 2), True)], ids=str)
def test_noise_that_is_learned_is_no_worse_than_uniform_noise(space: Integer, images: bool) -> None:
    """The density stays; all that is gained is the noise's: KL(q | p(u|x)) falls from that of uniform noise."""
    learned: dict[str, Any] = {"layers": 2, "rescale": "linear", "dequantization": "variational"}
    model = realnvp_images(space, width=4, **learned) if images else realnvp(space, hidden=(8,), **learned)
    x = data(space, 60)
    with torch.no_grad():
        model.initialize(x)
    uniform = bound(model, x)
    assert isinstance(model, Dequantized)
    assert model.noise is not None
    adam = torch.optim.Adam(model.noise.parameters(), lr=0.05)
    for _ in range(50):
        adam.zero_grad()
        (-model.objective(x).mean()).backward()  # type: ignore[no-untyped-call]
        adam.step()
    assert bound(model, x) > uniform + 0.02


def test_trained_together_it_scores_no_worse() -> None:
    space, scores = Integer((2,), 3), {}
    x = data(space, 400)
    for dequantization in ("uniform", "variational"):
        torch.manual_seed(0)
        model = nice(space, hidden=(16,), rescale="linear", dequantization=dequantization)
        loglik.fit(model, x, steps=150, lr=2e-2, evaluations=1)
        scores[dequantization] = bound(model, x)
    assert scores["variational"] > scores["uniform"] + 0.05


def test_the_terms_of_the_bound() -> None:
    model = nice(Integer((3,), 4), hidden=(8,), dequantization="variational", context=LABEL_CONTEXT)
    x, c = data(Integer((3,), 4)), data(LABEL_CONTEXT)
    terms = model.elbo_terms(x, c)  # type: ignore[operator]
    assert list(terms) == ["log p(x + u)", "-log q(u|x)"]
    assert model.claim is Claim.LOWER_BOUND
    uniform = nice(Integer((3,), 4), hidden=(8,))
    assert list(uniform.elbo_terms(x)) == ["log p(x + u)"]  # type: ignore[operator]


def test_what_is_given_steers_the_noise() -> None:
    space = Integer((2, 2), 4)
    noise = image_noise(space, 4, context=2)
    anywhere(noise)
    x, c = torch.zeros(5, 2, 2, dtype=torch.long), torch.zeros(5, 2)
    draws = []
    for x_, c_ in [(x, c), (x + 3, c), (x, c + 1.0)]:
        torch.manual_seed(2)
        draws.append(sum_event(noise.draw(x_, c_)[0]))
    assert bool((draws[0] != draws[1]).all())
    assert bool((draws[0] != draws[2]).all())


def test_noise_never_reaches_the_next_level() -> None:
    """A sigmoid far out is 1."""
    noise = vector_noise(Integer((1,), 2), (4,)).float()
    last = [part for part in noise.modules() if isinstance(part, nn.Linear)][-1]
    with torch.no_grad():
        last.bias.copy_(torch.tensor([60.0, 0.0]))
    u, log_q = noise.draw(torch.zeros(100, 1, dtype=torch.long))
    assert u.dtype == torch.float64
    assert float(u.detach().max()) < 1.0
    assert float(u.detach().min()) > 0.99
    assert torch.isfinite(log_q).all()


def test_images_take_it_too() -> None:
    for name in ("realnvp-images", "glow"):
        model = loglik.build(name, Integer((2, 2), 4), width=4, layers=1, dequantization="variational")
        assert isinstance(model, Dequantized)
        assert isinstance(model.noise, VariationalNoise)
        assert torch.isfinite(model(torch.randint(4, (6, 2, 2)))).all()
