"""Every law on every case."""

import functools

import pytest

from cases import CASES, Case
from loglik.laws import LAWS, Report, Status, check
from loglik.zoo import ZOO


@functools.cache
def report(case_number: int) -> Report:
    return check(CASES[case_number].model())


# Reports are shared by all tests of this file, so one process has to run them.
pytestmark = pytest.mark.xdist_group("laws")


@pytest.mark.parametrize("law", [law.name for law in LAWS])
@pytest.mark.parametrize("number", range(len(CASES)), ids=[str(case) for case in CASES])
def test_law(number: int, law: str) -> None:
    result = report(number)[law]
    assert result.status is not Status.FAILED, result.detail


@pytest.mark.parametrize("law", [law.name for law in LAWS])
def test_every_law_speaks_about_several_cases(law: str) -> None:
    passed = [case for number, case in enumerate(CASES) if report(number)[law].status is Status.PASSED]
    assert len(passed) >= 3


def test_mass_is_judged_wherever_the_space_is_small() -> None:
    def small(case: Case) -> bool:
        levels = getattr(case.space, "levels", None)
        return case.space.dims <= 2 if levels is None else levels**case.space.dims <= 20_000

    unjudged = [
        str(case)
        for number, case in enumerate(CASES)
        if small(case) and report(number)["total mass"].status is Status.NOT_APPLICABLE
    ]
    assert not unjudged


def test_every_model_of_the_zoo_has_a_case() -> None:
    assert {case.model_name for case in CASES} == set(ZOO)
