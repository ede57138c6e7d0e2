"""K draws give the K-sample bound of weights, and of weights alone: an ELBO made of other terms takes no K.

The truth is N(0, 2) for each of D values: x = z + eps, both standard normal, so p(z|x) = N(x/2, 1/2).
"""

import math

import pytest
import torch
from torch import Tensor

import loglik
from loglik import Claim, Integer, Real, build, check, compare, evaluate
from loglik.contract import LatentModel
from loglik.densities import normal_log_prob
from loglik.errors import UsageError
from loglik.models.dequantized import Dequantized

pytestmark = pytest.mark.usefixtures("float64")
SPACE = Real((3,))
WIDER = 0.5  # log scale of q over that of p(z|x)


class Sum(LatentModel):
    """q(z|x) = N(x/2, e^(2 WIDER) / 2); the KL in closed form, so the sum of the terms is no weight."""

    def _posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_scale = torch.tensor(WIDER - 0.5 * math.log(2.0))
        mean = self.events(x) / 2.0
        return mean + log_scale.exp() * torch.randn_like(mean), log_scale

    def elbo_terms(self, x: Tensor, context: Tensor | None = None) -> dict[str, Tensor]:
        z, log_scale = self._posterior(x)
        kl = 0.5 * ((x / 2.0).square() + (2.0 * log_scale).exp() - 1.0 - 2.0 * log_scale)
        return {"log p(x|z)": normal_log_prob(x - z), "-KL": -kl.sum(1)}

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return math.sqrt(2.0) * torch.randn(n, *self.space.shape)


class WeighedSum(Sum):
    @property
    def has_weights(self) -> bool:
        return True

    def log_weight(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        z, log_scale = self._posterior(x)
        log_q = normal_log_prob(z, x / 2.0, log_scale)
        return (normal_log_prob(x - z) + normal_log_prob(z) - log_q).sum(1)


def events(n: int = 4000) -> Tensor:
    return math.sqrt(2.0) * torch.randn(n, 3)


def log_p(x: Tensor) -> Tensor:
    return normal_log_prob(x, log_scale=0.5 * math.log(2.0)).sum(1)


def gap() -> float:
    """log p(x) - ELBO = KL(q(z|x) | p(z|x)), three times that of two normals with one mean."""
    return 3 * 0.5 * (math.exp(2.0 * WIDER) - 1.0 - 2.0 * WIDER)


def test_terms_of_each_value_are_summed_to_the_elbo() -> None:
    """(B,) and (B, T) terms together."""
    x = events()
    score = evaluate(Sum(SPACE), x, seed=1)  # not the seed that x was drawn from
    assert score.claim is Claim.LOWER_BOUND
    assert score.nats == pytest.approx(float(log_p(x).mean()) - gap(), abs=0.06)
    assert ", K=" not in str(score)


def test_terms_that_are_no_weight_take_no_k() -> None:
    """With K they would pass log p(x): E exp of the sum of these terms is above p(x)."""
    x, model = events(), Sum(SPACE)
    spread = torch.stack([model.log_likelihood(x) for _ in range(64)])
    assert float((spread.logsumexp(0) - math.log(64) - log_p(x)).mean()) > 0.1  # the trap is there
    with pytest.raises(UsageError, match="Leave samples out"):
        evaluate(model, x, samples=2)
    with pytest.raises(UsageError, match="without K"):
        model.bound(x, samples=2)
    assert evaluate(model, x, samples=1).samples is None


def test_weights_are_what_the_bound_is_made_of() -> None:
    x, model = events(), WeighedSum(SPACE)
    assert float(model.bound(x, samples=1).mean()) == pytest.approx(float(log_p(x).mean()) - gap(), abs=0.06)
    torch.testing.assert_close(model.bound(x[:20], samples=20_000), log_p(x[:20]), atol=0.03, rtol=0)
    assert evaluate(model, x, samples=16).samples == 16


def test_comparisons_score_what_has_no_weights_without_k() -> None:
    result = compare({"terms": Sum(SPACE), "weights": WeighedSum(SPACE)}, events(300), samples=8)
    assert {entrant.name: entrant.score.samples for entrant in result.entrants if entrant.score} == {
        "terms": None,
        "weights": 8,
    }


def test_laws_of_weights_are_for_models_that_have_them() -> None:
    report = {result.law: result.status.value for result in check(Sum(Real((1,)))).results}
    assert (report["bounds"], report["total mass"]) == ("not applicable", "not decided")
    report = {result.law: result.status.value for result in check(WeighedSum(Real((1,)))).results}
    assert report["bounds"] == report["total mass"] == "passed"


def test_a_dequantised_estimate_has_no_weights() -> None:
    """exp of Hutchinson's estimate has not the mean p(x + u)."""
    model = build("ffjord", Integer((3,), 4), hidden=(4,), exact=False)
    assert isinstance(model, Dequantized)
    assert not model.has_weights
    with pytest.raises(UsageError, match="importance weights"):
        evaluate(model, model.sample(5), samples=4)


@pytest.mark.parametrize("name", ["vae", "nice", "ppca"])
def test_models_of_integers_have_weights(name: str) -> None:
    model = build(name, Integer((3,), 4))
    x = model.sample(30)
    loglik.fit(model, x, steps=3)
    torch.manual_seed(0)
    weight = model.log_weight(x)
    torch.manual_seed(0)
    assert torch.equal(weight, model.log_likelihood(x))  # all terms are of one draw
