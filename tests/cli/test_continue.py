"""The line `Continue with: ...` of an interrupted fit, run as a shell reads it, continues that fit to the same bits."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from loglik.cli import fit as fit_command
from loglik.cli.app import run
from loglik.cli.console import prepare_streams
from loglik.training.history import Step

STEPS = ["--steps", "12", "--batch", "16"]
MADE = ["--model", "made", "--set", "hidden=8"]
FLOW = ["--model", "realnvp", "--set", "hidden=8", "--set", "layers=1"]


@pytest.fixture
def interrupting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fit is told to stop at its fifth step."""

    def watch(step: Step) -> None:
        if step.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    @contextmanager
    def progress(space: object) -> Iterator[Callable[[str], Callable[[Step], None]]]:
        yield lambda title: watch

    monkeypatch.setattr(fit_command, "progress", progress)


def words(line: str) -> list[str]:
    """A command line as bash takes it apart."""
    told = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    return [os.fsdecode(word) for word in told.split(b"\0")[:-1]]


def write(name: str) -> None:
    numbers = np.random.default_rng(0)
    if name.endswith(".txt"):
        Path(name).write_text("the cat sat on the mat and thought of the sea. " * 60)
        return
    a, b = numbers.normal(size=60), numbers.integers(0, 5, 60)
    if name.endswith(".npy"):
        np.save(name, b.repeat(3).reshape(60, 3))
        return
    Path(name).write_text("a,b,c\n" + "".join(f"{x},{k},{x + k / 2}\n" for x, k in zip(a, b, strict=True)))


CASES: dict[str, tuple[str, list[str]]] = {
    "a seed": ("t.csv", [*FLOW, "--seed", "3", "-o", "r"]),
    "another space": ("t.npy", [*MADE, "--space", "integer:9"]),
    "categories": ("t.npy", [*MADE, "--space", "category:9"]),
    "labels": ("digits", [*MADE, "--context", "label"]),
    "contexts": ("t.csv", [*FLOW, "--context", "c,a"]),
    "options of training": ("t.csv", [*FLOW, "--lr", "0.01", "--option", "ema=0.9", "--precision", "float32"]),
    "windows": ("t.txt", ["--model", "char-rnn", "--set", "width=8", "--window", "16"]),
    "equal rows": ("t.csv", [*FLOW, "--keep-equal-rows-together", "--seed", "1"]),
    "samples and a device": ("t.npy", [*FLOW, "--samples", "3", "--device", "cpu"]),
    "blanks": ("my data.csv", [*FLOW, "-o", "my runs/the first"]),
    "quotes": ('it\'s "mine".csv', [*FLOW, "-o", "it's"]),
    "what shells expand": ("$HOME * `ls` ~ #1.csv", [*FLOW, "-o", "$HOME ~"]),
    "no place": ("t.csv", [*FLOW, "--seed", "2"]),
    "dashes": ("./-n.csv", [*FLOW, "--out=-r"]),
    "line breaks": ("a\nb\t'.csv", [*FLOW, "-o", "r\n"]),
    "names that are not UTF-8": (os.fsdecode(b"caf\xe9.npy"), [*FLOW, "-o", os.fsdecode(b"\xff r")]),
}


@pytest.mark.usefixtures("interrupting")
@pytest.mark.parametrize("case", CASES)
def test_the_printed_line_continues_the_fit(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, options = CASES[case]
    prepare_streams()
    monkeypatch.chdir(tmp_path)
    if data != "digits":
        write(data)
    assert run(["fit", data, *options, *STEPS]) == 130
    told = capsys.readouterr().err.rstrip("\n").splitlines()[-1]
    begin, _, line = told.partition(": ")
    assert begin == "Interrupted. Continue with"
    assert line.isprintable()
    command = words(line)
    assert command[0] == "loglik"
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert run(command[1:]) == 0, capsys.readouterr().err
    assert run(["fit", data, *options, *STEPS, "-o", "unbroken"]) == 0
    weights = {p.read_bytes() for p in tmp_path.rglob("model.safetensors")}
    assert len(list(tmp_path.rglob("model.safetensors"))) == 2
    assert len(weights) == 1


def test_other_columns_are_no_reason_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i % 7},{i % 3}\n" for i in range(60))
    Path("mine.csv").write_text(f"a,b\n{rows}")
    Path("other.csv").write_text(f"a,z\n{rows}")
    assert run(["fit", "mine.csv", "--model", "nice", "--steps", "2", "-o", "run"]) == 0
    capsys.readouterr()
    assert run(["fit", "other.csv", "-o", "run", "--resume", "--steps", "4"]) == 25
    assert "the columns a, b; the data have a, z" in capsys.readouterr().err


def test_a_folder_of_other_files_is_not_called_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert run(["fit", "moons", "--model", "gaussian", "-o", str(tmp_path)]) == 25
    assert "files that loglik did not write" in capsys.readouterr().err


def test_other_rows_are_named_with_those_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write("mine.csv")
    Path("other.csv").write_text("a,b,c\n" + "1.5,2,3\n4.5,5,6\n" * 30)
    assert run(["fit", "mine.csv", "--model", "nice", "--steps", "2", "-o", "run"]) == 0
    for other in ("other.csv", "digits"):
        capsys.readouterr()
        assert run(["fit", other, "-o", "run", "--resume"]) == 25
        told = capsys.readouterr().err
        assert "the rows of mine.csv" in told
        assert f"{other} has other rows" in told
        assert "Give mine.csv, or fit anew with another -o." in told
    Path("other.csv").rename("mine.csv")
    assert run(["fit", "mine.csv", "-o", "run", "--resume"]) == 25
    assert "mine.csv holds other rows now. Restore it" in capsys.readouterr().err


def test_a_finished_run_says_so_and_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, options in {"nice": ["--steps", "2"], "gaussian": []}.items():
        assert run(["fit", "moons", "--model", name, "-o", name, *options]) == 0
        assert "already finished" not in capsys.readouterr().err
        assert run(["fit", "moons", "-o", name, "--resume"]) == 0
        told = capsys.readouterr().err
        assert "is already finished after" in told
        assert ("such as --steps 4" in told) is (name == "nice")
    assert run(["fit", "moons", "-o", "nice", "--resume", "--steps", "1"]) == 25
    assert "Give a greater one." in capsys.readouterr().err
