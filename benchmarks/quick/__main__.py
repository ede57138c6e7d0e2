"""Speed against another commit: python -m benchmarks.quick --against COMMIT [--rounds N] [NAME ...].

For every model of the zoo, or those named, on a small problem: scoring a batch, one training step (or pass, where it is
fitted by passes) and sampling, of this working tree against that commit. Both take turns in every round, each in a
process of its own with one thread. What lies beyond noise is measured again in new processes. The exit code is 1 where
this tree is slower.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from benchmarks.harness import NOISY, OtherWork, cpu_name
from benchmarks.quick.problems import PROBLEMS
from benchmarks.quick.rounds import LEVEL, NOISE, Ratio, confirmed, measured
from benchmarks.quick.trees import ROOT, checked_out


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quick", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--against", required=True, metavar="COMMIT")
    parser.add_argument("--rounds", type=int, default=11, help="at least 6 (default 11)")
    asked = parser.parse_args()
    names = [problem.name for problem in PROBLEMS if not asked.names or problem.model in asked.names]
    if unknown := set(asked.names) - {problem.model for problem in PROBLEMS}:
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    if asked.rounds < 6:
        parser.error("fewer than 6 rounds bound no median at 95 %")
    here, there = ROOT / "src", checked_out(asked.against)
    others, start = OtherWork(), time.perf_counter()

    def told(text: str) -> None:
        print(f"{text} ({time.perf_counter() - start:.0f} s)", file=sys.stderr, flush=True)

    ratios = measured(here, there, names, asked.rounds, told)
    print(f"this tree's time by that of {asked.against}: median of {asked.rounds} rounds ({LEVEL:.0%} interval)")
    print(*ratios, sep="\n", flush=True)
    beyond = confirmed(ratios, here, there, asked.rounds, told)
    print(*summary(ratios, beyond, others.cores()), sep="\n")
    return int(any(ratio.verdict == "slower" for ratio in beyond))


def summary(ratios: Sequence[Ratio], beyond: Sequence[Ratio], busy: float | None) -> list[str]:
    lines = ["measured again and beyond noise still:", *map(str, beyond)] if beyond else []
    if busy is not None and busy > NOISY:  # our workers have ended, and count as ours
        lines.append(f"other processes kept {busy:g} cores busy: measure again on a quiet machine")
    slower, faster = (sum(ratio.verdict == verdict for ratio in beyond) for verdict in ("slower", "faster"))
    within = sum(ratio.within for ratio in ratios)
    open_ones = len(ratios) - within - slower - faster
    return [
        *lines,
        f"{len(ratios)} times: {slower} slower, {faster} faster, {within} the same to {NOISE:.0%}, "
        f"{open_ones} undecided (the interval crosses a bound; more rounds narrow it); {cpu_name()}, one thread",
    ]


if __name__ == "__main__":
    sys.exit(main())
