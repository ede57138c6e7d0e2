"""Both trees take turns in every round, and only ratios within a round are judged."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.quick.trees import Worker

NOISE = 0.05  # two processes of one tree differ by a few per cent, each by where its memory lies
LEVEL = 0.95
TURN, LEAST, MOST = 25.0, 3, 300  # milliseconds of a turn, and how many calls it may be
Pair = tuple[str, str]  # name of the problem, work


@dataclass(frozen=True)
class Ratio:
    """This tree's time by the other's: above 1 this one is slower. low and high bound the median at 95 %."""

    name: str
    work: str
    milliseconds: float  # of this tree
    median: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """ "slower" or "faster" where the whole interval lies beyond the noise, else nothing."""
        if self.low > 1.0 + NOISE:
            return "slower"
        return "faster" if self.high < 1.0 - NOISE else ""

    @property
    def within(self) -> bool:
        """Whether the whole interval lies within the noise: shown to be as fast, not only not shown to be slower."""
        return self.low >= 1.0 - NOISE and self.high <= 1.0 + NOISE

    def __str__(self) -> str:
        text = f"{self.name:<16} {self.work:<7} {self.milliseconds:9.3f} ms   {self.median:.3f}"
        return f"{text}   ({self.low:.3f}..{self.high:.3f})   {self.verdict.upper()}".rstrip()


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Bounds of the median by order statistics: it lies between the k-th smallest and the k-th largest of n values

    with the probability 1 - 2 P(Binomial(n, 1/2) < k), whatever their distribution. k is the largest one that keeps it
    at 95 % or more; fewer than 6 values cannot.
    """
    n, ordered = len(values), sorted(values)
    if n < 6:
        return -math.inf, math.inf
    k = 1
    while sum(math.comb(n, i) for i in range(k + 1)) / 2.0**n <= (1.0 - LEVEL) / 2:
        k += 1
    return ordered[k - 1], ordered[n - k]


def measured(
    here: Path, there: Path, names: Sequence[str], rounds: int, told: Callable[[str], None], only: Sequence[Pair] = ()
) -> list[Ratio]:
    """Start a worker for each tree, warm up, then take the rounds.

    Args:
        only: the works to time; all of the problems named, where none are given.
    """
    with Worker(here) as one, Worker(there) as other:
        workers = (one, other)
        calls: dict[Pair, int] = {}
        for name in names:
            for worker in workers:  # both at once: this part is not timed
                worker.ask(prepare=name)
            warm = [worker.answer() for worker in workers]
            for work in warm[0]:
                slower = max(times[work] for times in warm)
                calls[name, work] = min(MOST, max(LEAST, round(TURN / slower)))
        told("warm")
        pairs = [pair for pair in calls if not only or pair in only]
        times: dict[Pair, list[tuple[float, float]]] = {pair: [] for pair in pairs}
        for number in range(rounds):
            for place, pair in enumerate(pairs):
                order = workers if (number + place) % 2 == 0 else workers[::-1]
                taken = {id(worker): turn(worker, pair, calls[pair]) for worker in order}
                times[pair].append((taken[id(one)], taken[id(other)]))
            told(f"round {number + 1} of {rounds}")
    return [ratio(pair, times[pair]) for pair in pairs]


def turn(worker: Worker, pair: Pair, calls: int) -> float:
    worker.ask(time=pair[0], work=pair[1], calls=calls)
    return float(worker.answer())


def ratio(pair: Pair, times: Sequence[tuple[float, float]]) -> Ratio:
    ratios = [ours / theirs for ours, theirs in times]
    ours = statistics.median(ours for ours, _ in times)
    return Ratio(*pair, ours, statistics.median(ratios), *interval(ratios))


def confirmed(
    ratios: Sequence[Ratio], here: Path, there: Path, rounds: int, told: Callable[[str], None]
) -> list[Ratio]:
    """Those beyond noise twice, the second time in new processes: how memory lies is drawn anew."""
    found = [ratio for ratio in ratios if ratio.verdict]
    if not found:
        return []
    told(f"{len(found)} beyond noise, measured again in new processes")
    names = list(dict.fromkeys(ratio.name for ratio in found))
    again = measured(here, there, names, rounds, told, [(ratio.name, ratio.work) for ratio in found])
    return [second for first, second in zip(found, again, strict=True) if first.verdict == second.verdict]
