"""Thousands of inputs: python -m tests.fuzz [--examples N] [--seed S] [GRAMMAR ...]; --again FILE tries one once more.

Prints how many succeeded, how many were refused by which error, and for every way in which the law is broken one small
input with the command that tries it again.
"""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE)]


def main() -> int:
    from attempt import Attempt
    from grammars import GRAMMARS
    from law import judge

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("grammars", nargs="*", metavar="GRAMMAR", help=", ".join(GRAMMARS))
    parser.add_argument("--examples", type=int, default=5000, help="of all grammars together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--again", type=Path, metavar="FILE", help="an input that broke the law")
    asked = parser.parse_args()
    if unknown := set(asked.grammars) - set(GRAMMARS):
        parser.error(f"no such grammar: {', '.join(sorted(unknown))}")
    if asked.again:
        attempt = Attempt.from_json(asked.again.read_text())
        outcome = judge(attempt)
        print(attempt, outcome.told, outcome.broken or f"The law holds: {outcome.name}.", sep="\n")
        return int(bool(outcome.broken))
    return survey(asked.grammars or list(GRAMMARS), asked.examples, asked.seed, asked.processes)


def survey(grammars: list[str], examples: int, seed: int, processes: int) -> int:
    from survey import search

    begin, ends, broken = time.monotonic(), Counter[str](), 0
    each = -(-examples // len(grammars))
    with ProcessPoolExecutor(processes) as pool:
        tried = {name: pool.submit(search, name, each, seed) for name in grammars}
        for name, future in tried.items():
            tally = future.result()
            print(f"{name}: {tally.ends.total()} inputs, {len(tally.broken)} ways to break the law", flush=True)
            for small in tally.broken.values():
                print(f"\n{small}\n", flush=True)
            ends += tally.ends
            broken += len(tally.broken)
    print(f"{ends.total()} inputs in {time.monotonic() - begin:.0f} s, seed {seed}:")
    for end, count in ends.most_common():
        print(f"{count:6}  {end}")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
