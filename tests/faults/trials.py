"""What must hold after a command of loglik was killed or ran out of disk, whatever the moment.

A folder is as it was, absent, or whole; a run continues to the same bits as the unbroken one; a file is as it was,
absent or whole. And the next command cleans up: nothing of loglik's own is left lying about.
"""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from machine import KILLED, Machine, Outcome

STEPS = ("--steps", "4", "--batch", "16", "--option", "save_seconds=0", "--option", "evaluations=2")
FIT = ("fit", "t.csv", "--model", "realnvp", "--set", "hidden=8", "--set", "layers=1", *STEPS, "--seed", "3", "-o", "r")
COMPARE = ("compare", "t.csv", "--models", "gaussian,ppca", "--budget", "1s", "-o", "c")
SCORE = ("score", "old", "t.csv", "--rows", "s.csv", "--overwrite")
SAMPLE = ("sample", "old", "-n", "9", "-o", "x.csv", "--overwrite")
REPORT = ("report", "old")


class Bench:
    """Folders with the same beginnings, in which commands are broken, and what they make unbroken."""

    def __init__(self, one: Machine, place: Path) -> None:
        self.machine, self.place = one, place
        numbers = random.Random(0)
        rows = "".join(f"{numbers.gauss(0, 1)},{numbers.gauss(2, 3)}\n" for _ in range(60))
        self.start = place / "start"
        self.start.mkdir(parents=True)
        (self.start / "t.csv").write_text(f"a,b\n{rows}")
        (self.start / "mine.txt").write_text("do not lose")
        assert one.run(self.start, "fit", "t.csv", "--model", "gaussian", "-o", "old").code == 0
        self.made: dict[tuple[str, ...], tuple[Path, Outcome]] = {}
        self.count = 0

    def fresh(self) -> Path:
        self.count += 1
        folder = self.place / f"trial-{self.count}"
        shutil.copytree(self.start, folder)
        return folder

    def unbroken(self, command: tuple[str, ...]) -> tuple[Path, Outcome]:
        """The folder after the command, and what it did."""
        if command not in self.made:
            folder = self.fresh()
            outcome = self.machine.run(folder, *command)
            assert outcome.code == 0, outcome.said
            self.made[command] = folder, outcome
        return self.made[command]

    def fates(self, command: tuple[str, ...], how: str) -> Iterator[dict[str, int]]:
        """Every file operation of the command as the one at which it happens."""
        for number in range(self.unbroken(command)[1].operations):
            yield {how: number}


def check_nothing_lost(bench: Bench, folder: Path, outcome: Outcome) -> None:
    for name in ("t.csv", "mine.txt"):
        assert (folder / name).read_bytes() == (bench.start / name).read_bytes()
    assert "Traceback" not in outcome.said, outcome.said
    if outcome.code != KILLED:
        assert outcome.code in (0, 30), outcome
        assert outcome.code == 0 or "disk is full" in outcome.said, outcome.said


def check_nothing_left(folder: Path) -> None:
    left = [str(p.relative_to(folder)) for p in folder.rglob(".loglik*") if p.name != ".loglik.json"]
    assert not left, left


def fit_is_sound(bench: Bench, **fate: float) -> Outcome:
    """The run is absent, or continues to the bits of the unbroken one."""
    whole, folder = bench.unbroken(FIT)[0], bench.fresh()
    outcome = bench.machine.run(folder, *FIT, **fate)
    check_nothing_lost(bench, folder, outcome)
    if (folder / "r").exists():
        again = bench.machine.run(folder, "fit", "t.csv", "-o", "r", "--resume")
    else:
        again = bench.machine.run(folder, *FIT)
    assert again.code == 0, again.said
    assert (folder / "r/model.safetensors").read_bytes() == (whole / "r/model.safetensors").read_bytes()
    assert _scores(folder / "r") == _scores(whole / "r")
    assert bench.machine.run(folder, *FIT, "--overwrite").code == 0  # and so all in it is known as ours
    assert (folder / "r/model.safetensors").read_bytes() == (whole / "r/model.safetensors").read_bytes()
    check_nothing_left(folder)
    shutil.rmtree(folder)
    return outcome


def overwriting_is_sound(bench: Bench, **fate: float) -> Outcome:
    """The old run or the new one is there, or comes back."""
    folder = bench.fresh()
    before = (folder / "old/run.json").read_bytes()
    command = (*FIT[:-1], "old", "--overwrite")
    outcome = bench.machine.run(folder, *command, **fate)
    check_nothing_lost(bench, folder, outcome)
    if (folder / "old").exists() and (folder / "old/run.json").read_bytes() == before:
        assert bench.machine.run(folder, "sample", "old").code == 0
    again = bench.machine.run(folder, *command)
    assert again.code == 0, again.said
    check_nothing_left(folder)
    shutil.rmtree(folder)
    return outcome


def compare_is_sound(bench: Bench, **fate: float) -> Outcome:
    """The comparison is absent or whole; then in a folder that was there, and at last over the old one."""
    folder = bench.fresh()
    outcome = bench.machine.run(folder, *COMPARE, **fate)
    check_nothing_lost(bench, folder, outcome)
    if (folder / "c").exists():
        _check_comparison(bench, folder)
    assert bench.machine.run(folder, *COMPARE, "--overwrite", **fate).code in (0, 30, KILLED)
    if (folder / "c").exists():
        _check_comparison(bench, folder)
    again = bench.machine.run(folder, *COMPARE, "--overwrite")
    assert again.code == 0, again.said
    _check_comparison(bench, folder)
    check_nothing_left(folder)
    shutil.rmtree(folder)
    return outcome


def compare_from_inside_is_sound(bench: Bench, **fate: float) -> Outcome:
    """The folder was there and empty: it is filled without being replaced."""
    folder = bench.fresh()
    (folder / "c").mkdir()
    itself = (folder / "c").stat().st_ino
    outcome = bench.machine.run(folder, *COMPARE, **fate)
    check_nothing_lost(bench, folder, outcome)
    if (folder / "c/comparison.json").exists():
        _check_comparison(bench, folder)
    else:
        again = bench.machine.run(folder, *COMPARE)
        assert again.code == 0, again.said
    assert (folder / "c").stat().st_ino == itself
    assert bench.machine.run(folder, *COMPARE, "--overwrite").code == 0
    _check_comparison(bench, folder)
    check_nothing_left(folder)
    shutil.rmtree(folder)
    return outcome


def file_is_sound(bench: Bench, command: tuple[str, ...], name: str, *, old: bool, **fate: float) -> Outcome:
    """The file is as it was or whole; the next time cleans up."""
    whole, folder = bench.unbroken(command)[0], bench.fresh()
    if old:
        (folder / name).write_text("old")
    outcome = bench.machine.run(folder, *command, **fate)
    check_nothing_lost(bench, folder, outcome)
    right = (whole / name).read_bytes()
    if (folder / name).exists():
        assert (folder / name).read_bytes() in ([b"old", right] if old else [right])
    again = bench.machine.run(folder, *command)
    assert again.code == 0, again.said
    assert (folder / name).read_bytes() == right
    check_nothing_left(folder)
    shutil.rmtree(folder)
    return outcome


def report_is_sound(bench: Bench, **fate: float) -> Outcome:
    """The page is absent or whole, twice, and the run is as before."""
    folder = bench.fresh()
    before = (folder / "old/run.json").read_bytes()
    for _ in range(2):
        outcome = bench.machine.run(folder, *REPORT, **fate)
        check_nothing_lost(bench, folder, outcome)
        if (folder / "old/report.html").exists():
            assert (folder / "old/report.html").read_text().rstrip().endswith("</html>")
    assert bench.machine.run(folder, *REPORT).code == 0
    assert (folder / "old/run.json").read_bytes() == before
    assert bench.machine.run(folder, "sample", "old").code == 0
    check_nothing_left(folder)
    shutil.rmtree(folder)
    return outcome


def _scores(run: Path) -> list[float]:
    return [score["nats"] for score in json.loads((run / "run.json").read_text())["scores"]]


def _check_comparison(bench: Bench, folder: Path) -> None:
    """Every part of it is there and can be used."""
    told = json.loads((folder / "c/comparison.json").read_text())
    assert {row["name"] for row in told["standings"]} == {"gaussian", "ppca"}
    assert (folder / "c/report.html").read_text().rstrip().endswith("</html>")
    for row in told["standings"]:
        assert _scores(folder / "c" / row["name"])[0] == row["score"]["nats"]
        assert bench.machine.run(folder, "sample", f"c/{row['name']}", "-n", "1").code == 0
