"""`check` fails no right model: of a user's own, and of the zoo in any number of dimensions, in bounded time."""

import time

import broken_masses
import pytest
import right
import torch

from cases import REAL_CONTEXT
from loglik.contract import Model
from loglik.errors import UsageError
from loglik.laws import Report, Status, check
from loglik.laws.normalisation import EFFECTIVE, _ratio
from loglik.laws.parts import by_parts
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


@pytest.mark.parametrize(("name", "dims"), IN_SHORT)
def test_models_that_were_called_broken(name: str, dims: int) -> None:
    report = _report(build(name, Real((dims,))))
    report.raise_if_failed()
    assert report["total mass"].status is Status.PASSED, report["total mass"].detail


def test_the_mass_of_a_fitted_flow_follows_from_its_parts() -> None:
    """Also where the data lie far from 0, and are shifted and scaled first."""
    x = 5.0 + 3.0 * torch.randn(500, 60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = build("realnvp", Real((60,)), seed=0)
    fit(model, x, steps=5)
    assert by_parts(model.double(), x[:4], None) == "Jacobian and base density"


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
