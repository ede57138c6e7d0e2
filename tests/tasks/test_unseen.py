"""Test rows that equal training rows: counted, scored apart, kept together; and what a run remembers of its rows."""

from pathlib import Path

import numpy as np
import pytest
import torch

import loglik
from loglik import Integer, Real, build, compare, evaluate, fit
from loglik.data import Dataset, as_source, open_dataset
from loglik.data.equal_rows import repeated
from loglik.runs.run import Run
from loglik.tasks.fitting import fit_run
from loglik.tasks.saving import save_comparison
from loglik.tasks.unseen import ROWS, learnt_from, score_of_rows


def wines(rows: int = 1000, different: int = 600) -> np.ndarray:
    """Measurements with one decimal, of which many come more than once, as in tables of tasted wine."""
    random = np.random.default_rng(0)
    once = np.round(random.normal([7.0, 30.0, 3.0], [1.0, 10.0, 0.5], (different, 3)), 1)
    return once[np.concatenate([np.arange(different), random.integers(different, size=rows - different)])]


def counted(data: Dataset) -> int:
    """Test rows among the training rows, as Python's sets know them."""
    train = {tuple(row) for row in data.train.x.tolist()}
    return sum(tuple(row) in train for row in data.test.x.tolist())


def test_repeated_rows_are_counted_and_the_others_scored_beside() -> None:
    result = compare(["gaussian", "gmm"], wines(), steps=5)
    count = counted(result.data)
    assert 50 < count < 150
    assert int(result.seen.sum()) == count
    new = result.data.test.x[[row not in {tuple(r) for r in result.data.train.x.tolist()}
                              for row in map(tuple, result.data.test.x.tolist())]]  # fmt: skip
    for name in ("gaussian", "gmm"):
        unseen = result.unseen(name)
        assert unseen is not None
        assert unseen.nats == pytest.approx(evaluate(result.entrant(name).model, new).nats, abs=1e-9)
        assert f"{unseen.nats:.4f}" in str(result)
    assert f"of 200 test rows {count} equal training rows; `unseen` is the score of the other {200 - count}" in str(
        result
    )
    written = result.to_json()
    assert written["equal_rows"] == count
    assert written["standings"][0]["unseen"]["events"] == 200 - count
    difference = result.unseen("gmm") - result.unseen("gaussian")  # type: ignore[operator]
    assert len(difference.values) == 200 - count


def test_kept_together_no_test_row_equals_a_training_row() -> None:
    result = compare(["gaussian"], wines(), keep_equal_rows_together=True)
    assert counted(result.data) == 0
    assert "unseen" not in str(result)
    assert sum(getattr(result.data, part).rows for part in ("train", "valid", "test")) == 1000


def test_continuous_rows_and_windows_of_a_stream_say_nothing() -> None:
    result = compare(["gaussian"], np.random.default_rng(0).normal(size=(300, 2)))
    assert not result.seen.any()
    assert "equal" not in str(result)
    assert "unseen" not in result.to_json()["standings"][0]
    same = loglik.data.Memory(Integer((2,), 3), torch.ones(100, 2, dtype=torch.int64), stream=True)
    assert not repeated(loglik.data.split_source("silence", same)).any()


def test_all_rows_seen_leave_nothing_to_score_apart() -> None:
    result = compare(["histogram"], torch.ones(60, 2, dtype=torch.int64))
    assert result.seen.all()
    assert result.unseen("histogram") is None
    assert "of 12 test rows 12 equal training rows\n" in str(result)


def test_a_row_with_another_context_is_another_row() -> None:
    x, c = torch.ones(100, 1), torch.arange(100.0)[:, None]
    rows = loglik.data.Memory(Real((1,)), x, c, Real((1,)))
    assert not repeated(loglik.data.split_source("d", rows)).any()
    assert repeated(loglik.data.split_source("d", loglik.data.Memory(Real((1,)), x))).all()


def written(path: Path, x: np.ndarray) -> Path:
    np.savetxt(path, x, delimiter=",", header="a,b,c", comments="", fmt="%.17g")
    return path


def test_a_run_knows_the_rows_it_learnt_from_in_any_order_and_any_file(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(500, 3))
    path = written(tmp_path / "t.csv", x)
    data = open_dataset(path)
    run = fit_run(data, tmp_path / "run", source=str(path), model="gaussian")
    learnt = learnt_from(run.folder, as_source(path))
    assert {name: int(rows.sum()) for name, rows in learnt.items()} == {"train": 350, "valid": 50}
    held_out = score_of_rows(evaluate(run.model(), path), ~(learnt["train"] | learnt["valid"]))
    assert held_out.events == 100
    assert held_out.nats == pytest.approx(run.record["scores"][0]["nats"], abs=1e-9)
    backwards = written(tmp_path / "backwards.csv", x[::-1])
    flipped = learnt_from(run.folder, as_source(backwards))
    assert torch.equal(flipped["train"].flip(0), learnt["train"])
    np.save(tmp_path / "part.npy", x[100:150])
    part = learnt_from(run.folder, as_source(tmp_path / "part.npy"))
    assert torch.equal(part["train"], learnt["train"][100:150])
    assert not learnt_from(run.folder, as_source(x + 1e-9))["train"].any()
    assert (run.folder / ROWS).stat().st_size < 8 * 400 + 1000  # 8 bytes a row, and a header
    (run.folder / ROWS).unlink()
    assert learnt_from(run.folder, as_source(path)) == {}


def test_a_run_scores_the_rows_it_did_not_learn_from_apart(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", wines())
    data = open_dataset(path)
    record = fit_run(data, tmp_path / "run", source=str(path), model="gaussian").record
    whole, unseen = record["scores"]
    assert whole["part"] == "test"
    assert whole["equal_rows"] == counted(data)
    assert unseen["events"] == 200 - counted(data)


def test_runs_of_a_comparison_know_their_rows_too(tmp_path: Path) -> None:
    data = open_dataset(written(tmp_path / "t.csv", wines()))
    save_comparison(compare(["gaussian"], data), tmp_path / "c", "t.csv", "")
    run = Run.open(tmp_path / "c" / "gaussian")
    assert [score["part"] for score in run.record["scores"]] == ["test", "unseen test"]
    assert learnt_from(run.folder, data.train)["train"].all()


def test_a_text_is_known_again_by_its_windows(tmp_path: Path) -> None:
    path = tmp_path / "walk.txt"
    steps = np.cumsum(np.random.default_rng(0).integers(-1, 2, 4000)) % 26
    path.write_text("".join(chr(97 + v) for v in steps))
    data = open_dataset(path, window=20)
    run = fit_run(data, tmp_path / "run", source=str(path), model="histogram")
    learnt = learnt_from(run.folder, loglik.data.open_source(path, window=20))
    assert int(learnt["train"].sum()) == data.train.rows
    assert learnt["train"][: data.train.rows].all()


def test_scores_of_chosen_rows_pair_with_their_like_alone() -> None:
    """The score of chosen rows is that of these rows alone, and two of them can be paired."""
    x = torch.randn(100, 2)
    models = [build("gaussian", Real((2,))), build("gmm", Real((2,)), components=2)]
    for model in models:
        fit(model, x, steps=5)
    kept = torch.arange(100) % 3 == 0
    a, b = (score_of_rows(evaluate(model, x), kept) for model in models)
    assert (a - b).nats == pytest.approx((evaluate(models[0], x[kept]) - evaluate(models[1], x[kept])).nats, abs=1e-9)
    with pytest.raises(loglik.LoglikError):
        _ = a - score_of_rows(evaluate(models[1], x), ~kept)


def test_a_part_of_the_rows_is_compared_as_the_whole_is() -> None:
    """With and without contexts on the same rows; not under other contexts, and not on other rows."""
    values = torch.arange(4.0).double()

    def part(rows: str, kept: list[bool]) -> loglik.Score:
        return score_of_rows(loglik.Score(values, Real((1,)), loglik.Claim.EXACT, rows=rows), torch.tensor(kept))

    some = [True, False, True, True]
    assert (part("r", some) - part("r-c", some)).nats == 0.0
    for a, b in ((part("r-c", some), part("r-d", some)), (part("r", some), part("r", [False, True, True, True]))):
        with pytest.raises(loglik.LoglikError, match="cannot be compared"):
            a - b


def test_a_row_that_trained_and_validated_counts_once(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", wines())
    data = open_dataset(path)
    run = fit_run(data, tmp_path / "run", source=str(path), model="gaussian")
    learnt = learnt_from(run.folder, as_source(path))
    train, valid = ({tuple(row) for row in part.x.tolist()} for part in (data.train, data.valid))
    rows = [tuple(row) for row in as_source(path).read().x.tolist()]
    assert train & valid
    assert int(learnt["train"].sum()) == sum(row in train for row in rows)
    assert int(learnt["valid"].sum()) == sum(row in valid - train for row in rows)
