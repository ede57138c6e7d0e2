"""Splits: rows shuffled, streams in order, groups whole, and the same parts by every door."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from loglik.contract import Model
from loglik.data import Dataset, Memory, as_source, open_dataset
from loglik.data.splits import hold_out, in_words, joined_groups, split_groups, split_source, split_stream
from loglik.errors import EmptyData, UsageError
from loglik.spaces import Category, Integer, Real
from loglik.tasks.compare import compare
from loglik.training.fit import fit
from loglik.training.gradient import GradientTraining
from loglik.zoo import build

PARTS = ("train", "valid", "test")


def markov(length: int, levels: int = 64, seed: int = 0) -> torch.Tensor:
    """A walk that moves by at most one level at a time, so that neighbouring windows are of the same few levels."""
    step = np.random.default_rng(seed).integers(-1, 2, length)
    return torch.from_numpy(np.cumsum(step) % levels)


def rows(data: Dataset) -> list[list[list[float]]]:
    return [getattr(data, part).x.flatten(1).tolist() for part in PARTS]


def test_a_stream_is_cut_in_order_with_a_window_between_the_parts() -> None:
    whole = Memory(Integer((4,), 64), markov(400).reshape(100, 4), stream=True)
    data = split_source("walk", whole, seed=3)
    assert torch.equal(data.train.x, whole.x[:88])
    assert torch.equal(data.valid.x, whole.x[89:94])
    assert torch.equal(data.test.x, whole.x[95:])
    assert all(getattr(data, part).stream for part in PARTS)
    assert "in order" in in_words(data)
    assert "88 train, 5 valid, 5 test" in in_words(data)


@pytest.mark.parametrize("windows", [5, 6, 19, 20, 137])
def test_parts_of_a_stream_never_touch(windows: int) -> None:
    part = split_stream(windows)
    places = torch.cat([part[name] for name in PARTS])
    assert len(places) == windows - 2 == len(places.unique())
    for before, after in (("train", "valid"), ("valid", "test")):
        assert int(part[after][0]) == int(part[before][-1]) + 2
    assert int(part["test"][-1]) == windows - 1


def test_too_few_windows_or_groups() -> None:
    with pytest.raises(EmptyData, match=r"at least 5 windows.*got 4"):
        split_stream(4)
    with pytest.raises(EmptyData, match=r"at least 3 groups.*got 2"):
        split_groups(torch.tensor([0, 0, 1, 1, 1]))


def test_no_shuffled_window_has_its_neighbours_in_the_training_part() -> None:
    """As independent rows, most windows of a walk are tested on beside a window that was trained on."""
    walk = markov(20_000, levels=4096)
    stream = Memory(Integer((20,), 4096), walk.reshape(1000, 20), stream=True)
    loose = Memory(Integer((20,), 4096), walk.reshape(1000, 20))

    def overlap(data: Dataset) -> float:
        """How many test windows are next to a training window."""
        places = {tuple(row): i for i, row in enumerate(stream.x.tolist())}
        train = {places[tuple(row)] for row in data.train.x.tolist()}
        test = [places[tuple(row)] for row in data.test.x.tolist()]
        return sum(bool({i - 1, i + 1} & train) for i in test) / len(test)

    assert overlap(split_source("walk", loose)) > 0.8
    assert overlap(split_source("walk", stream)) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_no_group_straddles_two_parts_and_the_shares_hold(seed: int) -> None:
    random = np.random.default_rng(seed)
    groups = torch.from_numpy(np.sort(random.integers(0, 120, 3000)) * 7)[torch.randperm(3000)]
    part = split_groups(groups, seed)
    inside = [set(groups[part[name]].tolist()) for name in PARTS]
    assert not inside[0] & inside[1] | inside[0] & inside[2] | inside[1] & inside[2]
    assert sorted(torch.cat([part[name] for name in PARTS]).tolist()) == list(range(3000))
    for name, share in zip(PARTS, (0.7, 0.1, 0.2), strict=True):
        assert len(part[name]) / 3000 == pytest.approx(share, abs=0.01)


def test_groups_of_one_row_each_are_parted_as_rows_are() -> None:
    part = split_groups(torch.arange(100), seed=4)
    assert {name: len(index) for name, index in part.items()} == {"train": 70, "valid": 10, "test": 20}


def test_a_large_group_is_trained_on() -> None:
    groups = torch.cat([torch.zeros(700, dtype=torch.int64), torch.arange(1, 31).repeat_interleave(10)])
    for seed in range(5):
        part = split_groups(groups, seed)
        assert 0 in groups[part["train"]]
        assert (len(part["test"]), len(part["valid"])) == (200, 100)
    three = split_groups(torch.tensor([0, 1, 2] * 5), seed=0)
    assert all(len(three[name]) == 5 for name in PARTS)


def test_every_door_gives_the_same_parts_of_a_table(tmp_path: Path) -> None:
    path, x = tmp_path / "t.csv", np.random.default_rng(0).normal(size=(50, 2))
    np.savetxt(path, x, delimiter=",", header="a,b", comments="", fmt="%.17g")
    doors = [str(path), path, as_source(path), x, torch.from_numpy(x), open_dataset(path, seed=7)]
    parts = [rows(compare(["uniform"], door, seed=7, steps=1).data) for door in doors]
    assert all(part == parts[0] for part in parts)
    assert [len(part) for part in parts[0]] == [35, 5, 10]


def test_every_door_gives_the_same_parts_of_a_text(tmp_path: Path) -> None:
    path = tmp_path / "walk.txt"
    path.write_text("".join(chr(97 + int(v)) for v in markov(3000, 26)) + "{|}")
    doors = [str(path), path, as_source(path), open_dataset(path)]
    found = [compare(["uniform"], door, steps=1).data for door in doors]
    assert all(rows(data) == rows(found[0]) and data.space == found[0].space for data in found)
    assert all(getattr(data, part).stream for data in found for part in PARTS)
    assert isinstance(found[0].space, Category)


def test_every_door_gives_the_same_parts_of_recordings(tmp_path: Path) -> None:
    walks = [(200 * markov(100 + 10 * i, 64, seed=i).numpy() - 6000).astype(np.int16) for i in range(8)]
    for i, walk in enumerate(walks):
        soundfile.write(tmp_path / f"{i}.wav", walk, 8000)
    space = Integer((10,), 65536)
    found = [open_dataset(tmp_path, window=10), split_source("", as_source(tmp_path, space=space).read())]
    assert rows(found[0]) == rows(found[1])
    for data in found:
        groups = [set(getattr(data, part).groups.tolist()) for part in PARTS]
        assert sum(map(len, groups)) == len(set.union(*groups)) == 8


def test_validation_rows_keep_the_order_and_the_groups() -> None:
    x = torch.arange(200.0).reshape(100, 2)
    train, valid = hold_out(Memory(Real((2,)), x, stream=True))
    assert torch.equal(train.x, x[:89])
    assert torch.equal(valid.x, x[90:])
    groups = torch.arange(100) // 5
    train, valid = hold_out(Memory(Real((2,)), x, groups=groups), seed=1)
    assert train.groups is not None
    assert valid.groups is not None
    assert not set(train.groups.tolist()) & set(valid.groups.tolist())
    assert (train.rows, valid.rows) == (90, 10)
    train, valid = hold_out(Memory(Real((2,)), x), seed=1)
    assert (train.rows, valid.rows) == (90, 10)


def test_fit_validates_on_rows_it_was_not_trained_on_where_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.arange(400.0)[:, None] % 40
    seen: list[int] = []

    class Looking(GradientTraining):
        def __init__(self, model: Model, rows: Memory, valid: Memory | None, *rest: Any) -> None:
            assert valid is not None
            seen.append(len(set(rows.x[:, 0].tolist()) & set(valid.x[:, 0].tolist())))
            super().__init__(model, rows, valid, *rest)

    monkeypatch.setattr("loglik.training.fit.GradientTraining", Looking)
    for together in (False, True):
        fit(build("maf", Real((1,)), hidden=(4,)), x, steps=1, keep_equal_rows_together=together)
    assert seen[0] > 10
    assert seen[1] == 0
    with pytest.raises(UsageError, match="split already"):
        fit(build("maf", Real((1,))), x, valid=x, keep_equal_rows_together=True)
    with pytest.raises(UsageError, match="split already"):
        compare(["maf"], open_dataset("moons"), keep_equal_rows_together=True)


def test_joined_parts_share_no_group() -> None:
    parts = [Memory(Real((1,)), torch.zeros(4, 1), groups=torch.tensor([3, 3, 4, 4])) for _ in range(2)]
    assert joined_groups(parts).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]  # type: ignore[union-attr]
    assert joined_groups([parts[0], Memory(Real((1,)), torch.zeros(4, 1))]) is None


def test_equal_rows_are_kept_together_where_rows_are_shuffled(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="stream"):
        split_source("s", Memory(Real((1,)), torch.zeros(50, 1), stream=True), keep_equal_rows_together=True)
    with pytest.raises(UsageError, match="fixed"):
        open_dataset("digits", keep_equal_rows_together=True)
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "".join(f"{i % 40}.5\n" for i in range(400)))
    loose, kept = open_dataset(path), open_dataset(path, keep_equal_rows_together=True)
    straddling = [set(d.train.x[:, 0].tolist()) & set(d.test.x[:, 0].tolist()) for d in (loose, kept)]
    assert len(straddling[0]) > 30
    assert not straddling[1]
    assert (kept.train.rows, kept.valid.rows, kept.test.rows) == (280, 40, 80)
    assert "sets of equal rows" in in_words(kept)
