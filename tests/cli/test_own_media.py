"""Texts, recordings and folders of images from the command line: fitted, scored, resumed and drawn."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from loglik.cli.app import run


def words(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert run(arguments) == code
    out, err = capsys.readouterr()
    return out, err


def test_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("book.txt").write_text("the cat sat on the mat. " * 40)
    Path("other.txt").write_text("a hat on a cat?!")
    words(capsys, ["fit", "book.txt", "--model", "histogram", "--window", "8", "-o", "run"])
    record = json.loads(Path("run/run.json").read_text())
    assert record["data"]["vocabulary"][:3] == [" ", ".", "a"]
    assert record["data"]["split"]["window"] == 8
    out, err = words(capsys, ["score", "run", "other.txt", "--json"])
    assert json.loads(out)["events"] == 2
    assert np.isfinite(json.loads(out)["nats"])
    assert "2 characters that the training text lacks" in err
    out, _ = words(capsys, ["sample", "run", "-n", "3"])
    drawn = out.rstrip("\n").split("\n" + "-" * 40 + "\n")
    assert [len(text) for text in drawn] == [8, 8, 8]
    assert set("".join(drawn)) <= set(record["data"]["vocabulary"])
    words(capsys, ["sample", "run", "-n", "3", "-o", "drawn.txt"])
    assert [Path(f"drawn-{i}.txt").read_text() for i in range(3)] == drawn
    words(capsys, ["sample", "run", "-n", "1", "-o", "drawn.txt"])
    assert len(Path("drawn.txt").read_text()) == 8
    words(capsys, ["fit", "book.txt", "--resume", "-o", "run"])  # the window is the run's
    words(capsys, ["report", "run"])
    assert "are shown as their characters" in Path("run/report.html").read_text()
    words(capsys, ["fit", "book.txt", "--model", "char-rnn", "--window", "8", "--steps", "1", "-o", "rnn"])
    told = "the run is of text; got the file 'other.txt'. Give the words themselves."
    assert told in words(capsys, ["sample", "rnn", "--given", "other.txt"], 2)[1]
    assert words(capsys, ["sample", "rnn", "-n", "1", "--given", "mat."])[0].startswith("mat.")
    assert "follows from its text" in words(capsys, ["fit", "book.txt", "--space", "real"], 2)[1]
    assert "16" in words(capsys, ["data", "book.txt", "--window", "16"])[0]
    Path("late.txt").write_text("the cat sat on the mat. " * 40 + "Q" * 8)
    told = words(capsys, ["data", "late.txt", "--window", "8"])[0]
    assert "remark: test: 8 characters that the training text lacks share one level\n" in told


def test_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name, rate in (("a.wav", 8000), ("other.wav", 44100)):
        soundfile.write(name, random.integers(-99, 99, 600).astype(np.int16), rate)
    words(capsys, ["fit", "a.wav", "--model", "uniform", "--window", "12", "-o", "run"])
    assert json.loads(Path("run/run.json").read_text())["data"]["sample_rate"] == 8000
    out, _ = words(capsys, ["score", "run", "a.wav"])
    assert "50 events, +- over 5 blocks); bits/dim = 16.0000" in out
    words(capsys, ["sample", "run", "-n", "2", "-o", "s.wav"])
    words(capsys, ["sample", "run", "-n", "2", "-o", "s.npy"])
    for number, row in enumerate(np.load("s.npy")):
        samples, rate = soundfile.read(f"s-{number}.wav", dtype="int16")
        assert rate == 8000
        assert (samples.astype(int) + 32768).tolist() == row.tolist()
    assert "44100 Hz in other.wav" in words(capsys, ["score", "run", "other.wav"], 15)[1]
    assert "fitted to text" in words(capsys, ["sample", "run", "-o", "s.txt"], 2)[1]
    assert not Path("s.txt").exists()
    words(capsys, ["fit", "digits", "--model", "uniform", "-o", "digits"])
    assert "fitted to sound" in words(capsys, ["sample", "digits", "-o", "d.wav"], 2)[1]
    assert not list(tmp_path.glob("d*.wav"))


def test_a_folder_of_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for i in range(12):
        path = Path("photos") / ("dog" if i % 2 else "cat") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (3, 2, 3)).astype(np.uint8)).save(path)
    arguments = ["fit", "photos", "--model", "made", "--set", "hidden=4", "--steps", "2", "--context", "label"]
    words(capsys, [*arguments, "-o", "run"])
    assert json.loads(Path("run/run.json").read_text())["data"]["labels"] == ["cat", "dog"]
    out, _ = words(capsys, ["score", "run", "photos", "--context", "label", "--json"])
    assert json.loads(out)["events"] == 12
    words(capsys, ["sample", "run", "-n", "4", "--context", "1", "-o", "drawn.png"])
    with Image.open("drawn.png") as drawn:
        assert drawn.size == (4 * (2 * 3 - 1), 4 * (2 * 4 - 1))
    assert "subfolders" in words(capsys, ["fit", "photos", "--context", "size"], 4)[1]
    Image.fromarray(random.integers(0, 256, (9, 9, 3)).astype(np.uint8)).save("photos/dog/z.png")
    err = words(capsys, ["fit", "photos", "--model", "made", "-o", "new"], 15)[1]
    assert "2 x 3 colour" in err
    assert "9 x 9 colour" in err
    assert not Path("new").exists()


def test_data_of_another_kind_than_the_run_are_named_with_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    Path("t.csv").write_text("a,b\n" + "0.5,1.5\n1.5,0.25\n2.5,0.75\n" * 9)
    Path("book.txt").write_text("the cat sat on the mat. " * 40)
    soundfile.write("a.wav", random.integers(-99, 99, 600).astype(np.int16), 8000)
    Path("images").mkdir()
    for number in range(12):
        Image.fromarray(random.integers(0, 256, (3, 4)).astype(np.uint8)).save(f"images/{number}.png")
    kinds = {
        "t.csv": ("a table with the columns ['a', 'b']", "a table"),
        "book.txt": ("a text", "text"),
        "a.wav": ("recordings of 8000 Hz", "sound"),
        "images": ("images of 4 x 3 pixels", "images"),
    }
    for data in kinds:
        window = ["--window", "12"] if data in ("book.txt", "a.wav") else []
        model = "gaussian" if data == "t.csv" else "uniform"
        words(capsys, ["fit", data, "--model", model, *window, "-o", f"run-{data}"])
    for data, (wanted, _) in kinds.items():
        for other, (_, got) in kinds.items():
            if other != data:
                told = words(capsys, ["score", f"run-{data}", other], 15)[1]
                assert told == (
                    f"loglik: Expected {wanted}, as the run was fitted to; got {other}, which holds {got}. Name such a "
                    "file, or another run.\n"
                )


def test_levels_of_a_picture_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 is black and the highest level white, whatever was drawn."""
    np.save(tmp_path / "grey.npy", np.full((9, 1, 2, 2), 8, np.uint8))
    words(capsys, ["fit", str(tmp_path / "grey.npy"), "--space", "integer:17", "--model", "histogram",
                   "--set", "smoothing=1e-9", "-o", str(tmp_path / "run")])  # fmt: skip
    words(capsys, ["sample", str(tmp_path / "run"), "-n", "1", "-o", str(tmp_path / "s.png")])
    with Image.open(tmp_path / "s.png") as image:
        grey = set(np.asarray(image.convert("L"))[:8, :8].ravel().tolist())
    assert grey <= {127, 128}
