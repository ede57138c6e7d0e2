"""The quick comparison of two trees: one with itself is within noise, one that sleeps is found; intervals are right."""

from pathlib import Path

import pytest
import torch
from benchmarks.quick.problems import PROBLEMS
from benchmarks.quick.rounds import confirmed, interval, measured, ratio
from benchmarks.quick.trees import ROOT, copied

from loglik.zoo import ZOO

SOURCE = ROOT / "src"


def quiet(text: str) -> None:
    pass


def beyond(here: Path, there: Path, names: list[str]) -> dict[tuple[str, str], str]:
    ratios = measured(here, there, names, 7, quiet)
    assert len(ratios) == 3 * len(names)
    return {(found.name, found.work): found.verdict for found in confirmed(ratios, here, there, 7, quiet)}


@pytest.mark.slow
def test_a_tree_is_within_noise_of_itself() -> None:
    assert beyond(SOURCE, SOURCE, ["vae", "realnvp", "gmm"]) == {}


@pytest.mark.slow
def test_a_tree_that_sleeps_is_found(tmp_path: Path) -> None:
    slow = copied(SOURCE, tmp_path)
    file = next(path for path in slow.rglob("*.py") if "class VAE(" in path.read_text())
    text, start = file.read_text(), "    def sample("
    assert text.count(start) == 1
    head, tail = text.split(start)
    line, body = tail.split(":\n", 1)
    file.write_text(f"{head}{start}{line}:\n        __import__('time').sleep(0.002)\n{body}")
    assert beyond(slow, SOURCE, ["vae"]) == {("vae", "sample"): "slower"}


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    assert interval([5.0, 1.0, 4.0, 2.0, 3.0, 6.0]) == (1.0, 6.0)  # 1 - 2 / 2^6 = 0.969
    assert interval(list(map(float, range(1, 12)))) == (2.0, 10.0)  # 0.988; (3, 9) would be 0.935
    assert interval([1.0, 2.0]) == (-float("inf"), float("inf"))
    draws = torch.rand(4000, 15).log()
    held = [low <= float(torch.tensor(0.5).log()) <= high for low, high in map(interval, draws.tolist())]
    assert 0.95 <= sum(held) / len(held) <= 0.98


def test_a_verdict_takes_the_whole_interval() -> None:
    pair = ("made", "score")
    assert ratio(pair, [(1.2, 1.0)] * 8).verdict == "slower"
    assert ratio(pair, [(0.8, 1.0)] * 8).verdict == "faster"
    assert ratio(pair, [(1.2, 1.0)] * 5 + [(1.0, 1.0)] * 3).verdict == ""
    assert ratio(pair, [(1.04, 1.0)] * 20).verdict == ""
    assert ratio(pair, [(1.04, 1.0)] * 20).within
    assert not ratio(pair, [(1.04, 1.0)] * 5 + [(1.2, 1.0)] * 3).within


def test_every_model_of_the_zoo_has_a_problem() -> None:
    assert {problem.model for problem in PROBLEMS} >= set(ZOO)
    assert len({problem.name for problem in PROBLEMS}) == len(PROBLEMS)
