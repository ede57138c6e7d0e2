"""`log_prob` is there where the number is log p(x), and nowhere else."""

import pytest
import torch

from cases import CASES, Case
from loglik.contract import Claim, ExactModel, Model
from loglik.spaces import Integer, Real
from loglik.zoo import build


def parts(case: Case) -> list[Model]:
    context = {"context": case.context} if case.context else {}
    model = build(case.model_name, case.space, **case.hyperparameters, **context)
    return [part for part in model.modules() if isinstance(part, Model)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_log_prob_and_the_claim_of_exactness_go_together(case: Case) -> None:
    """In the model and in every model it is made of."""
    for part in parts(case):
        exact = part.claim is Claim.EXACT
        assert isinstance(part, ExactModel) == exact, type(part).__name__
        assert hasattr(part, "log_prob") == exact, type(part).__name__


def test_the_estimate_of_a_trace_is_no_log_prob() -> None:
    flows = [
        build("ffjord", Real((2,)), hidden=(4,), exact=False),
        build("ffjord-images", Real((1, 4, 4)), hidden=(3,), exact=False),
        build("ffjord", Real((200,)), hidden=(150,)),  # more directions than an exact trace affords
        build("ffjord", Integer((2,), 4), hidden=(4,), exact=False),
    ]
    for flow in flows:
        assert flow.claim is Claim.ESTIMATE
        assert not isinstance(flow, ExactModel)
        assert not hasattr(flow, "log_prob")
        assert torch.isfinite(flow.log_likelihood(flow.sample(3))).all()
    assert isinstance(build("ffjord", Real((2,)), hidden=(4,)), ExactModel)


@pytest.mark.parametrize("name", ["nsf", "maf", "realnvp"])
def test_a_weight_of_an_exact_flow_is_its_likelihood_in_the_units_of_the_data(name: str) -> None:
    """Without the rescaling of the data a weight would be another number altogether, and so every K-sample bound."""
    model = build(name, Real((2,)), hidden=(8,)).double().eval()
    x = 1000.0 + 50.0 * torch.randn(200, 2, dtype=torch.float64)
    model.initialize(x)
    torch.testing.assert_close(model.log_weight(x), model.log_likelihood(x))
