"""Where commands write, as the clumsiest user would have it: nothing of theirs is lost; a refusal is one line."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from loglik.cli.app import run
from loglik.report import page
from loglik.tasks import compare as compare_task

FIT = ["fit", "t.csv", "--model", "gaussian"]
COMPARE = ["compare", "t.csv", "--models", "gaussian,ppca", "--budget", "1s"]
TABLE = "a,b\n" + "".join(f"{i % 7}.5,{i % 3 + i / 60}\n" for i in range(60))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a run and things of a person's."""
    folder = tmp_path_factory.mktemp("made")
    before = Path.cwd()
    os.chdir(folder)
    Path("t.csv").write_text(TABLE)
    assert run([*FIT, "-o", "r"]) == 0
    os.chdir(before)
    Path(folder, "thesis").mkdir()
    Path(folder, "thesis", "thesis.tex").write_text("years")
    Path(folder, "project", ".git").mkdir(parents=True)
    Path(folder, "project", "run.json").write_text('{"tool": "another"}')
    Path(folder, "old.csv").write_text("mine")
    Path(folder, "empty").mkdir()
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")
    monkeypatch.setenv("HOME", str(tmp_path / "w" / "thesis"))
    return tmp_path / "w"


def everything(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def put(path: str, content: str = "mine") -> Callable[[], object]:
    return lambda: Path(path).write_text(content)


REFUSED: dict[str, tuple[Callable[[], object] | None, list[str], int, str]] = {
    "a run": (None, [*FIT, "-o", "r"], 25, "--overwrite"),
    "another tool's run": (None, [*FIT, "-o", "project", "--overwrite"], 25, "not a run of loglik"),
    "a thesis": (None, [*FIT, "-o", "thesis", "--overwrite"], 25, "is your home"),
    "a home, as text": (None, [*FIT, "--out=~", "--overwrite"], 25, "is your home"),
    "the folder itself": (None, [*FIT, "-o", ".", "--overwrite"], 25, "the folder you are in"),
    "the folder above": (None, [*COMPARE, "-o", "..", "--overwrite"], 25, "holds the folder you are in"),
    "the root": (None, [*COMPARE, "-o", "/", "--overwrite"], 25, "holds the folder you are in"),
    "a mount point": (None, [*FIT, "-o", "/proc", "--overwrite"], 25, "a mount point"),
    "a file": (None, [*FIT, "-o", "old.csv", "--overwrite"], 25, "is a file"),
    "the data": (None, [*FIT, "-o", "t.csv", "--overwrite"], 25, "is a file"),
    "below a file": (None, [*FIT, "-o", "t.csv/r"], 30, "t.csv is not a folder"),
    "a name too long": (None, [*COMPARE, "-o", "n" * 300], 30, "name too long"),
    "no place for folders": (None, [*FIT, "-o", "/proc/r"], 30, "/proc/r"),
    "notes in a run": (put("r/notes.txt"), [*FIT, "-o", "r", "--overwrite"], 25, "notes.txt"),
    "data in a run": (put("r/d.csv", TABLE), ["compare", "r/d.csv", "-o", "r", "--overwrite"], 25, "d.csv is read"),
    "samples in a run": (put("r/samples.csv"), [*COMPARE, "-o", "r", "--overwrite"], 25, "samples.csv"),
    "an edited file": (put("r/history.csv"), [*FIT, "-o", "r", "--overwrite"], 25, "history.csv"),
    "both": (None, [*FIT, "-o", "r", "--resume", "--overwrite"], 2, "got both"),
    "a comparison for a run": (
        lambda: (Path("c").mkdir(), put("c/comparison.json")()), ["score", "c", "t.csv"], 21, "c/MODEL"
    ),
    "one's own page": (put("r/report.html"), ["report", "r"], 30, "report.html"),
    "rows over the data": (None, ["score", "r", "t.csv", "--rows", "t.csv"], 30, "what is read here"),
    "rows over the data, told to": (None, ["score", "r", "t.csv", "--rows", "./t.csv", "--overwrite"], 30, "read"),
    "rows over the run": (None, ["score", "r", "t.csv", "--rows", "r/history.csv", "--overwrite"], 30, "read"),
    "rows over a file": (None, ["score", "r", "t.csv", "--rows", "old.csv"], 30, "--overwrite"),
    "rows of no kind": (None, ["score", "r", "t.csv", "--rows", "s.xlsx"], 2, ".npy"),
    "rows over a folder": (lambda: Path("x.csv").mkdir(), ["score", "r", "t.csv", "--rows", "x.csv"], 30, "no file"),
    "samples over a file": (None, ["sample", "r", "-o", "old.csv"], 30, "--overwrite"),
    "samples over the run": (None, ["sample", "r", "-o", "r/history.csv", "--overwrite"], 30, "read"),
    "samples of no kind": (None, ["sample", "r", "-n", "1000000", "-o", "s.docx"], 2, ".txt"),
    "one of several": (put("s-2.txt"), ["sample", "r", "-n", "3", "-o", "s.txt"], 30, "s-2.txt"),
    "samples below a file": (None, ["sample", "r", "-o", "t.csv/s.csv"], 30, "t.csv is not a folder"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_is_left_as_it_was(what: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare, arguments, code, words = REFUSED[what]
    if prepare:
        prepare()
    before = everything(here)
    capsys.readouterr()
    assert run(arguments) == code, capsys.readouterr().err
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("loglik: ")
    assert err.count("\n") == 1
    assert words in err
    assert everything(here) == before


def test_what_is_allowed(here: Path) -> None:
    Path("link").symlink_to("empty")
    for arguments in (
        [*FIT, "-o", "link"],
        [*FIT, "-o", "link", "--overwrite"],
        [*COMPARE, "-o", "link", "--overwrite"],
        [*FIT, "-o", "r", "--overwrite"],
        ["sample", "r", "-o", "r/samples.csv"],
        ["sample", "r", "-o", "old.csv", "--overwrite"],
        ["score", "r", "t.csv", "--rows", "r/rows.csv"],
        ["report", "r"],
        ["report", "r"],
        ["check", "r"],
        [*FIT, "--out=~/runs/r"],
        ["fit", ".//t.csv", "--model", "gaussian", "-o", "a/./b/../c/"],
    ):
        assert run(arguments) == 0, arguments
    assert Path("link").is_symlink()
    assert Path("empty", "comparison.json").exists()
    assert Path("thesis", "runs", "r", "run.json").exists()
    assert not Path("~").exists()
    assert Path("thesis", "thesis.tex").read_text() == "years"
    assert not [p for p in here.rglob(".loglik*") if p.name != ".loglik.json"]


@pytest.mark.parametrize("when", ["fitting", "drawing the page"])
def test_a_comparison_whose_place_is_taken_meanwhile(
    when: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What came into being is left alone, and the result is kept beside it."""
    place = "loglik.tasks.compare.evaluate" if when == "fitting" else "loglik.report.comparison.write_page"
    honest = compare_task.evaluate if when == "fitting" else page.write_page

    def meanwhile(*arguments: object, **options: object) -> object:
        Path("c").mkdir(exist_ok=True)
        put("c/notes.txt")()
        return honest(*arguments, **options)

    monkeypatch.setattr(place, meanwhile)
    assert run([*COMPARE, "-o", "c"]) == 0
    out, err = capsys.readouterr()
    assert "c has come into being or was changed meanwhile" in err
    assert everything(here / "c") == {"notes.txt": b"mine"}
    assert (here / "c-2" / "comparison.json").exists()
    assert "c-2/report.html" in out


def test_a_comparison_that_is_interrupted_while_it_scores_is_kept(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    honest, scored = compare_task.evaluate, 0

    def evaluate(*arguments: object, **options: object) -> object:
        nonlocal scored
        scored += 1
        if scored == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return honest(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(compare_task, "evaluate", evaluate)
    assert run([*COMPARE, "-o", "c"]) == 130
    assert "not scored: interrupted" in capsys.readouterr().out
    assert (here / "c" / "gaussian" / "run.json").exists()
    assert (here / "c" / "report.html").exists()


def test_a_page_that_cannot_be_drawn_does_not_cost_the_fits(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def draw(*arguments: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr("loglik.report.comparison_report", draw)
    assert run([*COMPARE, "-o", "c"]) not in (0, 30)
    assert "Kept without report.html: c" in capsys.readouterr().err
    assert run(["score", "c/gaussian", "t.csv"]) == 0
    assert (here / "c" / "comparison.json").exists()


def test_results_that_find_no_room_are_shown(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    before = everything(here)
    for arguments in ([*COMPARE, "-o", "c"], ["score", "r", "t.csv", "--rows", "s.csv"]):
        capsys.readouterr()
        assert run(arguments) == 30
        out, err = capsys.readouterr()
        assert "log density" in out
        assert "disk is full" in err.splitlines()[-1]
    assert everything(here) == before
