"""Guided draws: a beginning, a temperature, a top k and a length, from Python and from the command."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from loglik import Category, Integer, Real, build, load
from loglik.cli.app import run
from loglik.data import Reading
from loglik.errors import OutsideSpace, UsageError
from loglik.tasks.given import parse_given, read_given
from loglik.tasks.sample import sample

FLUTE = "the flute plays a tune by the lake, and the lute plays it again. "


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of char-rnn on a text."""
    folder = tmp_path_factory.mktemp("text")
    (folder / "book.txt").write_text(FLUTE * 60)
    code = run(
        ["fit", str(folder / "book.txt"), "--model", "char-rnn", "--set", "width=32", "--window", "32", "--steps", "99",
         "--lr", "0.02", "-o", str(folder / "run")]
    )  # fmt: skip
    assert code == 0
    return folder / "run"


def test_text_goes_on_from_a_beginning_for_any_length(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", str(book), "-n", "1", "--given", "the flute", "--length", "90", "--temperature", "0.3"]) == 0
    text = capsys.readouterr().out.rstrip("\n")
    assert text.startswith("the flute")
    assert len(text) == 90
    assert {word for word in text.split() if word in FLUTE} != set()


def test_a_score_of_a_text_says_that_the_state_was_carried(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["score", str(book), str(book.parent / "book.txt")]) == 0
    assert "state carried over windows" in capsys.readouterr().out


def test_unknown_characters_are_refused(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", str(book), "--given", "flöte"]) != 0
    assert "got 'ö' (U+00F6) at character 3." in capsys.readouterr().err


def test_a_beginning_in_numbers() -> None:
    model = build("char-rnn", Integer((5,), 9), width=4)
    given = parse_given(model, "3,8", Reading())
    x = sample(model, 3, given=given, top_k=1)
    assert x.shape == (3, 5)
    assert torch.equal(x[:, :2], torch.tensor([[3, 8]]).expand(3, -1))
    assert torch.equal(x[0], x[2])  # the likeliest level leaves no choice
    assert read_given(model, None, Reading(), None).values is None
    with pytest.raises(UsageError, match="separated by commas"):
        parse_given(model, "a,b", Reading())
    with pytest.raises(OutsideSpace):
        sample(model, 1, given=torch.tensor([[9]]))
    with pytest.raises(UsageError, match="sequences"):
        parse_given(build("pixelcnn", Integer((3, 3), 4)), "1", Reading())


def test_models_that_draw_all_at_once_take_no_guidance() -> None:
    for guidance in ({"temperature": 0.5}, {"top_k": 2}, {"length": 3}, {"given": torch.zeros(1, 1)}):
        with pytest.raises(UsageError, match="one after the other"):
            sample(build("realnvp", Real((2,)), hidden=(4,)), 1, **guidance)  # type: ignore[arg-type]


def test_an_ensemble_of_masks_says_why_it_takes_none() -> None:
    """It draws values one after the other, each member by itself."""
    for guidance in ({"temperature": 0.5}, {"given": torch.zeros(1, 1, dtype=torch.long)}):
        with pytest.raises(UsageError, match=r"got made of .*, which is an ensemble"):
            sample(build("made", Integer((3,), 4), hidden=(4,), masks=2), 1, **guidance)  # type: ignore[arg-type]


def test_the_same_seed_draws_the_same() -> None:
    model = build("char-rnn", Category((6,), 4), width=4)
    assert torch.equal(sample(model, 4, seed=2), sample(model, 4, seed=2))
    assert not torch.equal(sample(model, 4, seed=2), sample(model, 4, seed=3))


def test_a_text_shorter_than_the_window_is_scored_as_it_is(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "short.txt").write_text("the flute plays")
    assert run(["score", str(book), str(tmp_path / "short.txt"), "--json"]) == 0
    out, err = capsys.readouterr()
    score = json.loads(out)
    assert "15 characters are less than a window of 32" in err
    assert score["events"] == 1
    model, vocabulary = load(book), json.loads((book / "run.json").read_text())["data"]["vocabulary"]
    levels = [vocabulary.index(character) for character in "the flute plays"]
    padded = torch.tensor([levels + [0] * 17])
    by_hand = model.head.log_prob(model.conditionals(padded), padded)[0, :15].sum().item()
    assert score["nats"] == pytest.approx(by_hand, abs=1e-4)
    assert score["bits_per_dim"] == pytest.approx(-by_hand / 15 / math.log(2), abs=1e-4)


def test_of_a_beginning_longer_than_a_window_the_last_window_is_used(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = FLUTE * 2
    assert run(["sample", str(book), "-n", "1", "--given", long]) == 0
    out, err = capsys.readouterr()
    assert f"{len(long)} characters are given, and a window holds 32: the last 32 are used, and 32 follow" in err
    assert out.removesuffix("\n")[:32] == long[-32:]
    assert len(out.removesuffix("\n")) == 64
    assert run(["sample", str(book), "-n", "1", "--given", long, "--length", "150"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(long)
    assert len(out.removesuffix("\n")) == 150
    assert run(["sample", str(book), "-n", "1", "--given", long, "--length", "20"]) == 2
    assert f"beyond the {len(long)} values given; got 20" in capsys.readouterr().err


def test_a_model_of_one_window_goes_on_from_half_a_window() -> None:
    model = build("transformer", Category((6,), 4), width=4, heads=1, layers=1)
    vocabulary = Reading(vocabulary=("a", "b", "c", "\ufffd"))
    begin = read_given(model, "abcabcab", vocabulary, None)
    assert begin.values is not None
    assert begin.values.tolist() == [[2, 0, 1]]
    assert "8 characters are given, and a window holds 6: the last 3 are used, and 3 follow" in begin.remark
    assert sample(model, 2, given=begin.values, length=begin.length).shape == (2, 6)
    assert read_given(model, "abcab", vocabulary, None).remark == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "got none"),
        ("abxyb", "got 'x' (U+0078) at character 3, and 1 more such"),
        ("\ud800", "(U+D800) at character 1"),
        ("\x1b[31m", r"got '\x1b' (U+001B) at character 1, and 4 more such"),
    ],
)
def test_characters_that_the_run_never_saw(words: str, told: str) -> None:
    model = build("char-rnn", Category((6,), 4), width=4)
    with pytest.raises(UsageError) as caught:
        read_given(model, words, Reading(vocabulary=("a", "b", "c", "\ufffd")), None)
    assert told in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_recording_is_continued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound = (9000 * np.sin(np.arange(700) / 5)).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", sound, 8000)
    arguments = ["--model", "wavenet", "--window", "24", "--steps", "2", "--set", "width=4", "--set", "skip=4"]
    assert run(["fit", str(tmp_path / "a.wav"), *arguments, "-o", str(tmp_path / "run")]) == 0
    soundfile.write(tmp_path / "begin.wav", sound[:10], 8000)
    out = tmp_path / "s.wav"
    draw = ["sample", str(tmp_path / "run"), "-n", "1", "-o", str(out), "--overwrite", "--given"]
    assert run([*draw, str(tmp_path / "begin.wav")]) == 0
    drawn, rate = soundfile.read(out, dtype="int16")
    assert rate == 8000
    assert len(drawn) == 24
    assert drawn[:10].tolist() == sound[:10].tolist()
    capsys.readouterr()
    assert run([*draw, str(tmp_path / "a.wav")]) == 0
    assert "700 samples are given, and a window holds 24: the last" in capsys.readouterr().err
    drawn, _ = soundfile.read(out, dtype="int16")
    kept = len(drawn) // 2
    assert drawn[:kept].tolist() == sound[-kept:].tolist()
    soundfile.write(tmp_path / "fast.wav", sound, 11025)
    assert run([*draw, str(tmp_path / "fast.wav")]) == 15
    soundfile.write(tmp_path / "narrow.wav", sound, 8000, subtype="PCM_U8")
    assert run([*draw, str(tmp_path / "narrow.wav")]) == 15
    assert run([*draw, str(tmp_path / "none.wav")]) == 11
    assert "there is none" in capsys.readouterr().err


def test_reals_are_continued_within_a_window() -> None:
    """The scale of a value is that of its place, so nothing follows the window, whatever the net can carry on."""
    model = build("char-rnn", Real((4,)), width=4)
    given = read_given(model, "1.5,2,3,4,5", Reading(), None)
    assert given.length is None
    assert given.values is not None
    assert given.values.tolist() == [[4.0, 5.0]]
    drawn = sample(model, 3, given=given.values)
    assert drawn[:, :2].tolist() == [[4.0, 5.0]] * 3
    with pytest.raises(UsageError, match="its own length"):
        sample(model, 1, length=9)
