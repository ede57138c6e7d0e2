"""What `check` promises: it changes nothing, never crashes, repeats itself, and its report can be read and kept."""

import copy
import json
import math

import broken
import pytest
import torch
from torch import Tensor

from cases import LABEL_CONTEXT, Case, data
from loglik.contract import Claim, ExactModel
from loglik.densities import StandardNormal
from loglik.errors import ContextError, LawBroken, OutsideSpace, ShapeMismatch
from loglik.laws import LAWS, Status, check
from loglik.spaces import Integer, Real

CASE = Case("realnvp", Real((2,)), {"hidden": (8,), "layers": 2}, LABEL_CONTEXT)


class Throwing(StandardNormal):
    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        raise RuntimeError("the disk\nis on fire")


class Loaded(ExactModel):
    """A user's own model, in one file, outside the zoo: a fair or a loaded coin."""

    def __init__(self) -> None:
        super().__init__(Integer((2,), 2))
        self.logit = torch.nn.Parameter(torch.zeros(2))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context)
        return torch.nn.functional.logsigmoid((2 * x - 1) * self.logit).sum(1)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        return torch.bernoulli(torch.sigmoid(self.logit).expand(n, 2)).long()


def test_a_model_of_your_own_is_judged_too() -> None:
    report = check(Loaded())
    assert report.passed
    assert report["total mass"].status is Status.PASSED
    assert report.model == "Loaded on Integer(2,) with 2 levels"
    report.raise_if_failed()


def test_the_model_the_data_and_the_random_numbers_stay_as_they_were() -> None:
    model = CASE.model().train()
    before, x, context = copy.deepcopy(model.state_dict()), data(CASE.space), data(LABEL_CONTEXT)
    x_before, context_before = x.clone(), context.clone()
    state = torch.get_rng_state()
    check(model, x, context)
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None or not parameter.grad.isnan().any() for parameter in model.parameters())
    assert torch.equal(x, x_before)
    assert torch.equal(context, context_before)
    assert model.dtype == torch.float32


def test_the_same_seed_gives_the_same_report() -> None:
    model = CASE.model()
    torch.manual_seed(5)
    first = check(model, seed=3)
    torch.manual_seed(6)
    assert check(model, seed=3).results == first.results


def test_a_model_that_throws_breaks_laws_and_crashes_nothing() -> None:
    report = check(Throwing(Real((2,))))
    assert not report.passed
    assert report["shapes"].detail == "It threw RuntimeError: the disk is on fire"
    with pytest.raises(LawBroken, match=r"breaks \d+ of \d+ laws.*shapes: It threw RuntimeError"):
        report.raise_if_failed()


def test_the_report_is_a_table_and_json() -> None:
    report = check(broken.Shape(Real((2,))))
    lines = str(report).splitlines()
    assert lines[0] == "Shape on Real(2,), exact"
    assert lines[2].split() == ["law", "verdict", "measured", "allowed"]
    assert [line for line in lines if line.startswith("shapes  ") and "failed" in line]
    written = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert written["passed"] is False
    assert [result["law"] for result in written["results"]] == [law.name for law in LAWS]


def test_data_of_another_space_are_the_callers_mistake() -> None:
    with pytest.raises(ShapeMismatch):
        check(StandardNormal(Real((2,))), torch.zeros(4, 3))
    with pytest.raises(OutsideSpace):
        check(Loaded(), torch.full((4, 2), 7))
    with pytest.raises(ContextError):
        check(CASE.model(), torch.zeros(4, 2), torch.zeros(3, 1).long())


@pytest.mark.parametrize("rows", [1, 2])
def test_one_or_two_events_are_enough(rows: int) -> None:
    assert check(CASE.model(), data(CASE.space, rows), data(LABEL_CONTEXT, rows)).passed


class Estimated(StandardNormal):
    @property
    def claim(self) -> Claim:
        return Claim.ESTIMATE


def test_the_report_says_what_decided_the_number_and_what_could_not() -> None:
    report = check(StandardNormal(Real((5,))))
    assert report.decided.startswith("total mass: decided by bridge sampling, 5 dims, ESS ")
    assert "bounds: not applicable" in report.decided
    assert str(report).splitlines()[-1] == report.decided
    assert report.to_json()["decided"] == report.decided
    told = check(Estimated(Real((2,))))
    assert told.passed
    assert told["total mass"].status is Status.UNDECIDED
    assert "total mass: not decided" in told.decided
    assert "sampler: not decided" in told.decided
    assert "not decided" in told.summary


def test_each_law_is_announced_before_it_is_judged() -> None:
    said: list[str] = []
    check(StandardNormal(Real((1,))), watch=said.append)
    assert said == [law.name for law in LAWS]


class Mixing(ExactModel):
    """Keeps a tensor that is neither a parameter nor a buffer, so float64 does not reach it."""

    def __init__(self) -> None:
        super().__init__(Real((2,)))
        self.turn = torch.eye(2)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return -0.5 * (x @ self.turn).square().sum(1) - math.log(2.0 * math.pi)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return torch.randn(n, 2)


def test_a_precision_that_does_not_fit_is_explained() -> None:
    assert "register_buffer" in check(Mixing())["shapes"].detail
