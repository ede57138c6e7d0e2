"""Guided draws: a beginning, a temperature, a top k and a length, from Python and from the command."""

from pathlib import Path

import pytest
import torch

from loglik import Category, Integer, Real, build
from loglik.cli.app import run
from loglik.errors import OutsideSpace, UsageError
from loglik.tasks.sample import parse_given, sample

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
    assert "1 others" in capsys.readouterr().err


def test_a_beginning_in_numbers() -> None:
    model = build("char-rnn", Integer((5,), 9), width=4)
    given = parse_given(model, "3,8", None)
    assert given is not None
    x = sample(model, 3, given=given, top_k=1)
    assert x.shape == (3, 5)
    assert torch.equal(x[:, :2], torch.tensor([[3, 8]]).expand(3, -1))
    assert torch.equal(x[0], x[2])  # the likeliest level leaves no choice
    assert parse_given(model, None, None) is None
    with pytest.raises(UsageError, match="separated by commas"):
        parse_given(model, "a,b", None)
    with pytest.raises(OutsideSpace):
        sample(model, 1, given=torch.tensor([[9]]))
    with pytest.raises(UsageError, match="sequences"):
        parse_given(build("pixelcnn", Integer((3, 3), 4)), "1", None)


def test_models_that_draw_all_at_once_take_no_guidance() -> None:
    for guidance in ({"temperature": 0.5}, {"top_k": 2}, {"length": 3}, {"given": torch.zeros(1, 1)}):
        with pytest.raises(UsageError, match="one after the other"):
            sample(build("realnvp", Real((2,)), hidden=(4,)), 1, **guidance)  # type: ignore[arg-type]


def test_an_ensemble_of_masks_says_why_it_takes_none() -> None:
    """It draws values one after the other, each member by itself."""
    for guidance in ({"temperature": 0.5}, {"given": torch.zeros(1, 1, dtype=torch.long)}):
        with pytest.raises(UsageError, match="got an ensemble"):
            sample(build("made", Integer((3,), 4), hidden=(4,), masks=2), 1, **guidance)  # type: ignore[arg-type]


def test_the_same_seed_draws_the_same() -> None:
    model = build("char-rnn", Category((6,), 4), width=4)
    assert torch.equal(sample(model, 4, seed=2), sample(model, 4, seed=2))
    assert not torch.equal(sample(model, 4, seed=2), sample(model, 4, seed=3))
