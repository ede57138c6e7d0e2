"""`check` fails no right model: of a user's own, and of the zoo in any number of dimensions, in bounded time."""

import time

import broken_masses
import pytest
import right
import torch
from torch import Tensor

from cases import REAL_CONTEXT
from loglik.contract import Model
from loglik.errors import UsageError
from loglik.laws import Report, Status, check
from loglik.laws.em import em_ascends
from loglik.laws.normalisation import EFFECTIVE, _ratio
from loglik.laws.parts import by_parts
from loglik.laws.subject import in_float64
from loglik.laws.verdict import Broken
from loglik.models.flow import Direction, Flow
from loglik.spaces import Category, Integer, Real, Space
from loglik.training.fit import fit
from loglik.zoo import ZOO, build

SECONDS = 60.0  # of the processor; most take a tenth of it
SPACES: dict[str, list[Space]] = {
    "reals": [Real((dims,)) for dims in (1, 2, 10, 60, 300)],
    "levels": [Integer((dims,), 5) for dims in (1, 2, 10, 60, 300)],
    "labels": [Category((dims,), 5) for dims in (1, 10, 60, 300)],
    "images": [Integer((1, 8, 8), 2), Integer((1, 28, 28), 256), Integer((3, 16, 16), 256), Real((3, 16, 16))],
}
IN_SHORT = [("maf", 60), ("nsf", 10), ("realnvp", 60), ("gaussian", 300), ("ppca", 60), ("made", 60)]
OWN = {
    "plain, 1": lambda: right.Plain(1),
    "plain, 5": lambda: right.Plain(5),
    "trained, 3": lambda: right.Trained(3),
    "trained, 60": lambda: right.Trained(60),
    "heavy tails, 1": lambda: right.Heavy(1),
    "heavy tails, 5": lambda: right.Heavy(5),
    "single precision, 3": lambda: right.Coins(3),
    "single precision, 40": lambda: right.Coins(40),
    "coins": lambda: broken_masses.Coins(40),
    "coins, given reals": lambda: broken_masses.Coins(30, REAL_CONTEXT),
    "coins, given classes": lambda: broken_masses.Coins(30, Category((1,), 10)),
}


@pytest.mark.parametrize("name", OWN)
def test_a_right_model_of_your_own_passes(name: str) -> None:
    report = check(OWN[name]())
    report.raise_if_failed()
    assert report["total mass"].status is Status.PASSED, report["total mass"].detail
    assert report["sampler"].status is Status.PASSED, report["sampler"].detail


@pytest.mark.parametrize("seed", range(3))
def test_a_closed_form_in_measured_units_passes(seed: int) -> None:
    """The units of few columns differ from start to start, and with them where noise alike in all columns is best."""
    torch.manual_seed(seed)
    model = build("ppca", Real((3,)), latents=1)
    fit(model, torch.randn(100, 3))
    check(model).raise_if_failed()


@pytest.mark.parametrize(("name", "dims"), IN_SHORT)
def test_models_that_were_called_broken(name: str, dims: int) -> None:
    report = _report(build(name, Real((dims,))))
    report.raise_if_failed()
    assert report["total mass"].status is Status.PASSED, report["total mass"].detail


@pytest.mark.parametrize("name", ["maf", "realnvp", "made"])
def test_the_parts_of_a_fitted_model_make_its_mass(name: str) -> None:
    """A fitted flow begins with the shift and the scale of its data, which a fresh one does not have yet."""
    rows = 5.0 + 3.0 * torch.randn(200, 6, dtype=torch.float64)
    model = build(name, Real((6,)))
    fit(model, rows, steps=5)
    subject = in_float64(model)
    assert "Jacobian and base density" in by_parts(subject, rows[:8], None)


def test_a_flow_that_forgets_its_scale_is_not_made_of_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 5.0 + 3.0 * torch.randn(200, 6, dtype=torch.float64)
    model = build("realnvp", Real((6,)))
    fit(model, rows, steps=5)

    def forgetful(self: Flow, bijection: Direction, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        y, _ = self.rescale(self.events(x, context, torch.float64))
        return bijection(y.to(self.dtype), self.condition(context))

    monkeypatch.setattr(Flow, "_noise_by", forgetful)
    with pytest.raises(Broken, match="log p"):
        by_parts(in_float64(model), rows[:8], None)


def test_a_closed_form_of_few_events_owes_its_height_to_the_floor() -> None:
    """13 events of 300 dims leave 288 directions without variance: narrowed events have a lower floor there."""
    model = build("gaussian", Real((300,)))
    fit(model, 5.0 + 3.0 * torch.randn(500, 300, dtype=torch.float64))
    subject = in_float64(model)
    assert em_ascends(subject, subject.sample(13), None).status is Status.PASSED


def test_contexts_of_any_unit_are_changed_by_as_much() -> None:
    """Time stamps in nanoseconds, a few hours apart: one that differs by a nanosecond is the same one to every net."""
    generator = torch.Generator().manual_seed(0)
    hours = torch.rand(300, 1, generator=generator, dtype=torch.float64)
    x = hours + 0.1 * torch.randn(300, 1, generator=generator, dtype=torch.float64)
    model = build("realnvp", Real((1,)), context=Real((1,)), layers=2, hidden=(16,), seed=0)
    fit(model, x, context=1.7e18 + 1e13 * hours, steps=30)
    report = _report(model)
    report.raise_if_failed()
    assert report["contexts"].status is Status.PASSED


@pytest.mark.slow
@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("name", ZOO)
def test_every_model_passes_in_any_dimension_and_in_time(name: str, kind: str) -> None:
    for space in SPACES[kind]:
        torch.manual_seed(0)
        try:
            model = build(name, space)
        except UsageError:  # not a space for this model
            continue
        start = time.process_time()
        _report(model).raise_if_failed()
        assert time.process_time() - start < SECONDS, space


@pytest.mark.parametrize("apart", [0.0, 0.5, 1.5])
def test_the_bridge_finds_the_mass_with_an_honest_standard_error(apart: float) -> None:
    """Of 1.7 times a normal against another one that is `apart` standard deviations away, in 200 trials."""
    generator = torch.Generator().manual_seed(0)
    deviations = []
    for _ in range(200):
        x, y = (torch.randn(500, generator=generator, dtype=torch.float64) for _ in range(2))
        y = y + apart

        def log_ratio(t: torch.Tensor) -> torch.Tensor:
            return -0.5 * t.square() + 0.5 * (t - apart).square() + torch.tensor(1.7).double().log()

        found = _ratio(log_ratio(x), log_ratio(y))
        assert found.effective > EFFECTIVE
        error = found.log_mass - float(torch.tensor(1.7).double().log())
        deviations.append(error / found.stderr if found.stderr else error * 1e9)
    spread = torch.tensor(deviations)
    if apart == 0.0:
        assert float(spread.abs().max()) < 1e-2  # both are the same, and nothing is left to chance
    else:
        assert 0.85 < float(spread.std()) < 1.15
        assert float(spread.abs().max()) < 4.0


def _report(model: Model) -> Report:
    seen: list[str] = []
    report = check(model, watch=seen.append)
    assert seen == [result.law for result in report.results]
    return report
