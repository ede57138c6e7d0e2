"""Every law on every case."""

import functools

import pytest

from cases import CASES, Case
from loglik.laws import LAWS, Report, Status, check
from loglik.zoo import ZOO

MOST = 20_000  # events of a discrete space that are enumerated
FAMILIES = ("made", "char-rnn", "realnvp", "gmm", "ppca", "vae", "bayes-gaussian")


@functools.cache
def report(number: int) -> Report:
    return check(CASES[number].model())


def small(case: Case) -> bool:
    levels = getattr(case.space, "levels", None)
    return case.space.dims <= 2 if levels is None else levels**case.space.dims <= MOST


@pytest.mark.parametrize("number", range(len(CASES)), ids=[str(case) for case in CASES])
def test_laws_hold(number: int) -> None:
    """All of them on each case, and the mass is judged wherever the space is small."""
    result = report(number)
    result.raise_if_failed()
    estimated = CASES[number].hyperparameters.get("exact") is False  # of such, a mass of one can only be expected
    if small(CASES[number]) and not estimated:
        assert result["total mass"].status is Status.PASSED, result["total mass"].detail


def test_every_law_speaks_about_several_cases() -> None:
    numbers = [n for name in FAMILIES for n in [i for i, case in enumerate(CASES) if case.model_name == name][:3]]
    for law in LAWS:
        assert sum(report(n)[law.name].status is Status.PASSED for n in numbers) >= 3, law.name


def test_every_model_of_the_zoo_has_a_case() -> None:
    assert {case.model_name for case in CASES} == set(ZOO)
