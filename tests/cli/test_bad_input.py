"""Bad input ends in one line on stderr, its own exit code, nothing on stdout and nothing half written."""

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from loglik.cli.app import run
from loglik.models.baselines.histogram import Histogram

GOOD = "a,b\n" + "".join(f"{i % 7}.5,{i % 3}.25\n" for i in range(60))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of gaussian on two real columns."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "good.csv").write_text(GOOD)
    assert run(["fit", str(folder / "good.csv"), "--model", "gaussian", "-o", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture
def digits_run(tmp_path: Path) -> Path:
    assert run(["fit", "digits", "--model", "histogram", "-o", str(tmp_path / "histogram")]) == 0
    return tmp_path / "histogram"


def expect_failure(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, *words: str) -> None:
    capsys.readouterr()
    assert run(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("loglik: ")
    assert err.count("\n") == 1, err
    for word in words:
        assert word in err, err


DATA_CASES: dict[str, tuple[str, str | bytes, int, tuple[str, ...]]] = {
    "empty file": ("t.csv", "", 12, ("empty",)),
    "header only": ("t.csv", "a,b\n", 12, ("at least one row",)),
    "text in a numeric column": ("t.csv", "a,b\n1,2\n3,four\n", 13, ("'b'", "row 2", "four")),
    "nan": ("t.csv", "a,b\n1,2\n3,nan\n", 14, ("'b'", "row 2")),
    "blank cell": ("t.csv", "a,b\n1,2\n,4\n", 14, ("'a'", "row 2")),
    "infinity": ("t.csv", "a,b\n1,2\n3,inf\n", 14, ("'b'", "row 2")),
    "damaged parquet": ("t.parquet", b"PAR1 and then nothing", 17, ("t.parquet",)),
    "damaged npy": ("t.npy", b"\x93NUMPY\x01", 17, ("t.npy",)),
    "unknown kind of file": ("t.xyz", "1,2", 17, (".csv", ".parquet")),
    "empty text": ("t.txt", "", 12, ("empty",)),
    "a text that is not UTF-8": ("t.txt", "na\u00efve".encode("latin1"), 17, ("0xef", "position 2")),
    "a text shorter than its windows": ("t.txt", "too short", 12, ("at least 640", "got 9")),
    "damaged recording": ("t.wav", b"RIFF and then nothing", 17, ("t.wav",)),
    "damaged image": ("t.png", b"\x89PNG and then nothing", 17, ("t.png",)),
}


@pytest.mark.parametrize("case", DATA_CASES)
def test_bad_data(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, content, code, words = DATA_CASES[case]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    out = tmp_path / "run"
    expect_failure(capsys, ["fit", str(path), "--model", "gaussian", "-o", str(out)], code, *words)
    assert not out.exists()
    expect_failure(capsys, ["compare", str(path), "-o", str(out)], code, *words)
    assert not out.exists()


def test_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "table.csv").write_text(GOOD)
    expect_failure(capsys, ["fit", str(tmp_path / "tabel.csv")], 11, "tabel.csv", "table.csv")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["fit", "digitz"], 3, ("'digits'",)),
        (["fit", "digits", "--model", "pixelcn"], 3, ("'pixelcnn'",)),
        (["fit", "digits", "--model", "made", "--set", "hiden=3"], 3, ("'hidden'",)),
        (["fit", "digits", "--model", "made", "--set", "hidden=big"], 2, ("hidden", "'big'")),
        (["fit", "digits", "--model", "made", "--set", "hidden"], 2, ("KEY=VALUE",)),
        (["fit", "digits", "--window", "9"], 2, ("cut into windows",)),
        (["fit", "digits", "--stepz", "3"], 2, ("--stepz", "--steps")),
        (["fit", "digits", "--steps", "many"], 2, ("--steps", "a whole number", "got 'many'")),
        (["fit", "digits", "--steps", "0"], 2, ("--steps", "1 to 1e+12", "got 0")),
        (["fit", "digits", "--steps", "3", "--budget", "3s"], 2, ("one of steps",)),
        (["fit", "digits", "--budget", "soon"], 2, ("60s",)),
        (["fit"], 2, ("data",)),
        (["fitt", "digits"], 2, ("fitt",)),
        (["compare", "digits", "--models", "made,nade"], 3, ("'made'",)),
        (["score", "nowhere", "digits"], 21, ("nowhere",)),
        (["models", "mad"], 3, ("'made'",)),
        (["data", "digit"], 3, ("'digits'",)),
        (["fit", "moons", "--model", "histogram"], 2, ("Integer", "Category")),
        (["fit", "digits", "--model", "gaussian", "--context", "label"], 4, ("gaussian", "context")),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_bad_words(
    arguments: list[str], code: int, words: tuple[str, ...], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    expect_failure(capsys, arguments, code, *words)
    assert list(tmp_path.iterdir()) == []


def test_wrong_shape_for_the_run(fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "three.npy", np.zeros((5, 3)))
    expect_failure(capsys, ["score", str(fitted), str(tmp_path / "three.npy")], 15, "(2,)", "3")
    (tmp_path / "other.csv").write_text("a,c\n1,2\n")
    expect_failure(capsys, ["score", str(fitted), str(tmp_path / "other.csv")], 15, "'b'")


def test_a_run_stands_before_its_data(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for data in (str(fitted.parent / "good.csv"), "digits"):
        expect_failure(capsys, ["score", data, str(fitted)], 21, f"Give it first: score {fitted} {data}.")
    expect_failure(capsys, ["sample", str(fitted.parent / "good.csv")], 21, "is a file. Name what `loglik fit` made")


def test_levels_outside_the_space(digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "bright.npy", np.full((2, 1, 8, 8), 17, dtype=np.uint8))
    expect_failure(capsys, ["score", str(digits_run), str(tmp_path / "bright.npy")], 16, "17")


def damage_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


def truncate_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])


def damage_record(folder: Path) -> None:
    (folder / "run.json").write_text("{ not json")


def write_a_newer_record(folder: Path) -> None:
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "format": 99}))


def write_an_older_record(folder: Path) -> None:
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "format": 1}))


def pickle_the_weights(folder: Path) -> None:
    torch.save({"theta": torch.zeros(3)}, folder / "model.safetensors")


def remove_the_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("harm", "code", "words"),
    [
        (damage_weights, 22, ("checksum",)),
        (truncate_weights, 22, ("cut short",)),
        (damage_record, 22, ("run.json",)),
        (write_a_newer_record, 23, ("99", "Upgrade")),
        (write_an_older_record, 26, ("format 1", "Fit again")),
        (pickle_the_weights, 24, ("pickle",)),
        (remove_the_weights, 21, ("model.safetensors",)),
    ],
)
def test_a_run_that_cannot_be_read(
    harm: Callable[[Path], None], code: int, words: tuple[str, ...], digits_run: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    harm(digits_run)
    expect_failure(capsys, ["score", str(digits_run), "digits"], code, *words)
    expect_failure(capsys, ["sample", str(digits_run)], code, *words)


class Trap:
    """A pickle that would run code; nothing may ever load it."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return Path.touch, (Path("/tmp/loglik-was-here"),)  # type: ignore[return-value]


def test_a_pickle_is_refused_unread(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.pt").write_bytes(pickle.dumps(Trap()))
    expect_failure(capsys, ["score", str(tmp_path / "model.pt"), "digits"], 24, "pickle")
    assert not Path("/tmp/loglik-was-here").exists()


def test_a_full_disk(digits_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write fails with what a full disk says; the run that was there is untouched."""

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = {p.name: p.read_bytes() for p in digits_run.iterdir()}
    samples = digits_run.parent / "s.npy"
    monkeypatch.setattr(os, "fsync", full)
    expect_failure(capsys, ["sample", str(digits_run), "-n", "3", "-o", str(samples)], 30, "disk is full")
    expect_failure(
        capsys, ["fit", "digits", "--model", "histogram", "-o", str(digits_run.parent / "new")], 30, "disk is full"
    )
    assert not samples.exists()
    assert not any((digits_run.parent / "new").glob("*"))
    assert {p.name: p.read_bytes() for p in digits_run.iterdir()} == before


def test_a_place_that_is_taken(digits_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expect_failure(
        capsys, ["fit", "digits", "--model", "histogram", "-o", str(digits_run)], 25, "--resume", "--overwrite"
    )
    comparison = digits_run.parent / "comparison"
    compare = ["compare", "digits", "--models", "uniform", "-o"]
    assert run([*compare, str(comparison)]) == 0
    fit = ["fit", "digits", "--model", "histogram", "-o", str(comparison)]
    for command in ([*compare, str(digits_run)], [*compare, str(comparison)], fit):  # nothing to be resumed
        expect_failure(capsys, command, 25, "is there already. Replace it with --overwrite, or choose another -o.")


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("a.png", 2, ("got events of shape (2,)", "a.csv")),
        ("a.txt", 2, ("fitted to text", "Write .csv or .npy")),
        ("a.wav", 2, ("fitted to sound", "Write .npy")),
        ("a.jpg", 2, ("got", "a.jpg. Let its name end so")),
        ("file/a.csv", 30, ("is not a folder. Nothing was changed; choose another place",)),
    ],
)
def test_samples_that_no_such_file_holds(
    name: str, code: int, told: tuple[str, ...], fitted: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("loglik.cli.use.draw", lambda *_, **__: pytest.fail("It drew first."))
    expect_failure(capsys, ["sample", str(fitted), "-o", str(tmp_path / name)], code, *told)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_samples_make_the_folder_that_they_go_to(fitted: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "one" / "a.csv"
    assert run(["sample", str(fitted), "-n", "3", "-o", str(out)]) == 0
    assert len(out.read_text().splitlines()) == 4


def test_a_law_that_is_broken_has_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "0,1\n1,2\n2,0\n" * 10)
    assert run(["fit", str(tmp_path / "t.csv"), "--model", "histogram", "-o", str(tmp_path / "run")]) == 0
    honest = Histogram.log_prob
    monkeypatch.setattr(Histogram, "log_prob", lambda self, x, context=None: honest(self, x, context) + 0.5)
    capsys.readouterr()
    assert run(["check", str(tmp_path / "run")]) == 50
    out, err = capsys.readouterr()
    assert "failed" in out
    assert err.count("\n") == 1
    assert "mass" in err


def test_the_command_itself_shows_no_traceback(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "loglik", "fit", str(tmp_path / "none.csv")], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 11
    assert "Traceback" not in shown.stderr
    assert shown.stderr.count("\n") == 1


def edit(run_folder: Path, change: Callable[[dict], None]) -> None:
    record = json.loads((run_folder / "run.json").read_text())
    change(record)
    (run_folder / "run.json").write_text(json.dumps(record))


def test_a_built_in_set_has_not_the_columns_of_a_run(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("columns of the run, ['a', 'b']", "'digits'", "Name a file")
    expect_failure(capsys, ["score", str(fitted), "digits"], 15, *words)


def test_changed_columns_of_a_run_are_not_blamed_on_the_data(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(fitted.parent / "good.csv")
    renamed, fewer = (Path(shutil.copytree(fitted, fitted.parent / name)) for name in ("renamed", "fewer"))
    edit(renamed, lambda record: record["data"].update(columns=["a", "z"]))
    edit(fewer, lambda record: record["data"].update(columns=["a"]))
    again = "Restore it, or fit again"
    expect_failure(capsys, ["score", str(renamed), data], 22, "was changed", "['a', 'z']", "['a', 'b']", again)
    expect_failure(capsys, ["fit", data, "-o", str(renamed), "--resume"], 25, "was changed", again)
    expect_failure(capsys, ["score", str(fewer), data], 22, "to name 2 columns", "got 1: ['a']", again)
    other = fitted.parent / "other.csv"
    other.write_text(GOOD.replace("b", "z"))
    expect_failure(capsys, ["score", str(fitted), str(other)], 15, "Expected a column 'b'")  # here it is the data


def test_a_refused_record_or_lost_weights_come_with_a_remedy(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(fitted.parent / "good.csv")
    wrong, lost = (Path(shutil.copytree(fitted, fitted.parent / name)) for name in ("wrong", "lost"))
    edit(wrong, lambda record: record["model"]["hyperparameters"].update(floor="banana"))
    (lost / "model.safetensors").unlink()
    expect_failure(capsys, ["score", str(wrong), data], 22, "banana", "Restore it, or fit again with `loglik fit`")
    expect_failure(capsys, ["score", str(lost), data], 21, "no such file", "Restore it, or fit again")


def test_an_edited_hyperparameter_is_named_as_a_possible_cause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["fit", "moons", "--model", "made", "--set", "hidden=8,8", "--steps", "1", "-o"]
    for hidden in ([7], [8, 7]):  # fewer tensors, others
        folder = tmp_path / f"{len(hidden)}"
        assert run([*command, str(folder)]) == 0
        edit(folder, lambda record, hidden=hidden: record["model"]["hyperparameters"].update(hidden=hidden))
        cause = "run.json (its model, hyperparameters or space) or model.safetensors was changed"
        expect_failure(capsys, ["score", str(folder), "moons"], 22, cause, "Restore it, or fit again")


def test_a_run_whose_weights_are_lost_stays_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["fit", "moons", "--model", "nice", "-o", str(tmp_path / "r"), "--steps"]
    assert run([*command, "2"]) == 0
    (tmp_path / "r" / "model.safetensors").unlink()
    for _ in range(2):
        expect_failure(capsys, [*command, "4", "--resume"], 21, "no such file")


def test_a_check_looks_at_its_place_first(
    fitted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("loglik.laws.check", lambda *arguments, **named: pytest.fail("the laws were tried"))
    held, foreign = (Path(shutil.copytree(fitted, fitted.parent / name)) for name in ("held", "foreign"))
    (held / ".loglik.lock").mkdir()  # cannot be opened to be written, whoever asks
    listed = json.loads((foreign / ".loglik.json").read_text())
    del listed["wrote"]["run.json"]
    (foreign / ".loglik.json").write_text(json.dumps(listed))
    expect_failure(capsys, ["check", str(held)], 30)
    expect_failure(capsys, ["check", str(foreign)], 30, "run.json", "loglik did not write it")


def test_one_row_is_not_called_strange_or_likely(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (fitted.parent / "one.csv").write_text("a,b\n1.5,2.25\n")
    assert run(["score", str(fitted), str(fitted.parent / "one.csv")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "strangest rows: not told of a single row"
