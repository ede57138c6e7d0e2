"""A few of the trials, each at moments chosen by a fixed seed; `python -m tests.faults` makes all of them."""

import random
from collections.abc import Iterator

import pytest
import trials
from machine import KILLED, machine
from trials import Bench

from loglik.output.lock import locked

MANIFEST = ".loglik.json"  # may list a file that did not come to be
LARGER = ("sample", "old", "-n", "99", "-o", "x.csv")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with machine() as one:
        yield Bench(one, tmp_path_factory.mktemp("faults"))


def moments(bench: Bench, command: tuple[str, ...], how: str, count: int) -> list[dict[str, int]]:
    fates = list(bench.fates(command, how))
    return random.Random(12).sample(fates, min(count, len(fates)))


@pytest.mark.parametrize("how", ["kill_at", "full_at"])
def test_a_fit_resumes_bit_for_bit(bench: Bench, how: str) -> None:
    for fate in moments(bench, trials.FIT, how, 2):
        assert trials.fit_is_sound(bench, **fate).code == (KILLED if how == "kill_at" else 30)


@pytest.mark.parametrize("how", ["kill_at", "full_at"])
def test_a_comparison_is_whole_or_absent(bench: Bench, how: str) -> None:
    for fate in moments(bench, trials.COMPARE, how, 1):
        assert trials.compare_is_sound(bench, **fate).code == (KILLED if how == "kill_at" else 30)


def test_a_file_is_as_it_was_or_whole(bench: Bench) -> None:
    for how in ("kill_at", "full_at"):
        fates = bench.fates(trials.SAMPLE, how)
        assert fates
        for fate in fates:
            trials.file_is_sound(bench, trials.SAMPLE, "x.csv", old=True, **fate)


def test_a_system_that_limits_files(bench: Bench) -> None:
    """The system itself refuses, as on a full disk: what was there is there still."""
    folder = bench.fresh()
    assert bench.machine.run(folder, *trials.REPORT).code == 0
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST}
    for command in (trials.REPORT, (*trials.FIT[:-1], "old", "--overwrite"), trials.COMPARE, LARGER):
        outcome = bench.machine.run(folder, *command, largest=700)
        assert outcome.code == 30, outcome
        assert "Could not write " in outcome.said.splitlines()[-1], outcome
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST} == before


def test_a_second_process_is_refused(bench: Bench) -> None:
    """While one is at work on a folder, another does not begin; that a killed one lets go, the trials see."""
    folder = bench.fresh()
    with locked(folder / "old"):
        for command in (
            ("fit", "t.csv", "-o", "old", "--resume"),
            (*trials.FIT[:-1], "old", "--overwrite"),
            (*trials.COMPARE[:-1], "old", "--overwrite"),
            ("check", "old"),
            ("report", "old"),
        ):
            outcome = bench.machine.run(folder, *command)
            assert (outcome.code, outcome.said.count("\n")) == (27, 1), outcome
            assert "Another loglik is at work on old." in outcome.said
    assert bench.machine.run(folder, *trials.FIT[:-1], "old", "--overwrite").code == 0
