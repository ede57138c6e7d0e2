"""Every command broken many times: python -m tests.faults [--kills 100] [--full]; ends with 1 if anything is lost.

Kills come at random moments by a fixed seed, half of them at a file operation, half at a time; a full disk comes at
every file operation.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import trials
from machine import KILLED, Outcome, machine
from trials import Bench

Trial = Callable[..., Outcome]


def broken(bench: Bench) -> list[tuple[str, tuple[str, ...], Trial]]:
    """Title, command and trial."""

    def file(command: tuple[str, ...], name: str) -> Trial:
        return lambda bench, **fate: trials.file_is_sound(bench, command, name, old=True, **fate)

    return [
        ("fit", trials.FIT, trials.fit_is_sound),
        ("fit --overwrite", trials.FIT, trials.overwriting_is_sound),
        ("compare", trials.COMPARE, trials.compare_is_sound),
        ("compare into an empty folder", trials.COMPARE, trials.compare_from_inside_is_sound),
        ("score --rows", trials.SCORE, file(trials.SCORE, "s.csv")),
        ("sample -o", trials.SAMPLE, file(trials.SAMPLE, "x.csv")),
        ("report", trials.REPORT, trials.report_is_sound),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="of all commands together")
    parser.add_argument("--full", action="store_true", help="also a full disk at every file operation")
    asked = parser.parse_args()
    chance, failed = random.Random(12), 0
    with machine() as one, tempfile.TemporaryDirectory() as place:
        bench = Bench(one, Path(place))
        table = broken(bench)
        for number, (title, command, trial) in enumerate(table):
            unbroken = bench.unbroken(command)[1]
            kills = asked.kills // len(table) + (number < asked.kills % len(table))
            fates: list[dict[str, Any]] = [
                {"kill_at": chance.randrange(unbroken.operations)}
                if i % 2
                else {"kill_after": chance.uniform(0, unbroken.seconds)}
                for i in range(kills)
            ]
            held, killed = _tried(bench, title, trial, fates)
            print(f"{title}: {held} of {kills} kills left nothing broken ({killed} hit)", flush=True)
            failed += kills - held
            if asked.full:
                fates = list(bench.fates(command, "full_at"))
                held, _ = _tried(bench, title, trial, fates)
                print(f"{title}: {held} of {len(fates)} full disks left nothing broken", flush=True)
                failed += len(fates) - held
    return 1 if failed else 0


def _tried(bench: Bench, title: str, trial: Trial, fates: list[dict[str, Any]]) -> tuple[int, int]:
    held = killed = 0
    for fate in fates:
        try:
            killed += trial(bench, **fate).code == KILLED
            held += 1
        except AssertionError as error:
            print(f"{title} {fate}: {error}", flush=True)
    return held, killed


if __name__ == "__main__":
    sys.exit(main())
