"""Rows that count several times, or not at all: as repeated rows would, in closed form, by EM and by gradients."""

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from loglik import Integer, Real, Space, build, evaluate, fit
from loglik.cli.app import run
from loglik.data import Memory, as_source, hold_out, open_dataset
from loglik.errors import DataError, NotFinite, OutsideSpace, ShapeMismatch, UsageError
from loglik.runs.run import read_record
from loglik.training.batches import Batches
from loglik.training.gradient import GradientTraining
from loglik.training.options import Options

REALS, LEVELS = Real((3,)), Integer((3,), 4)
CASES: dict[str, tuple[str, Space, dict[str, Any]]] = {
    "gaussian": ("gaussian", REALS, {}),
    "histogram": ("histogram", LEVELS, {}),
    "gmm full": ("gmm", REALS, {"components": 3}),
    "gmm diagonal": ("gmm", REALS, {"components": 3, "covariance": "diagonal"}),
    "ppca in closed form": ("ppca", REALS, {"latents": 1}),
    "ppca by EM": ("ppca", REALS, {"latents": 1, "em": True}),
}


def events(space: Space, n: int = 120) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    if space == LEVELS:
        return torch.randint(4, (n, 3), generator=generator)
    mix = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    return torch.randn(n, 3, generator=generator, dtype=torch.float64) @ mix + 2.0


def counts(n: int = 120) -> Tensor:
    return torch.randint(4, (n,), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("case", CASES)
def test_whole_weights_are_repeated_rows(case: str) -> None:
    name, space, given = CASES[case]
    x, w = events(space), counts()
    model = build(name, space, **given, seed=0)
    torch.manual_seed(0)
    model.initialize(x)
    model.fitted = True
    weighted, repeated = copy.deepcopy(model), copy.deepcopy(model)
    fit(weighted, x, weights=w, steps=7, tolerance=0.0)
    fit(repeated, x.repeat_interleave(w, dim=0), steps=7, tolerance=0.0)
    assert torch.allclose(weighted.log_likelihood(x), repeated.log_likelihood(x), rtol=1e-10, atol=1e-10)
    fit(model, x, steps=7, tolerance=0.0)
    assert not torch.allclose(weighted.log_likelihood(x), model.log_likelihood(x), rtol=1e-4)


def test_rows_of_weight_0_do_not_count_at_all() -> None:
    x = events(REALS)
    absurd = torch.cat([x, torch.full((5, 3), 1e9, dtype=torch.float64)])
    w = torch.cat([torch.ones(120), torch.zeros(5)])
    a, b = build("gmm", REALS, seed=0), build("gmm", REALS, seed=0)
    fit(a, absurd, weights=w, steps=5)
    fit(b, x, steps=5)
    assert torch.allclose(a.log_likelihood(x), b.log_likelihood(x), rtol=1e-9)


def test_a_gradient_step_weighs_its_rows_relative_to_their_mean() -> None:
    x, w = events(REALS, 64).float(), counts(64).double()
    rows = Memory(REALS, x)
    rows.weights = 10.0 * w
    model = build("made", REALS, hidden=(8,), seed=0)
    model.initialize(x)
    batches = Batches(model, rows, 64, seed=0, carry=False)
    own = batches.weights_at(0)
    assert own is not None
    assert float(own.mean()) == pytest.approx(1.0)
    training = GradientTraining(model, rows, None, Options(batch=64))
    nats, _ = training._gradient(*training.batches.at(0), training.batches.weights_at(0))
    wanted = float((w * model.log_likelihood(x).detach()).sum() / w.sum())
    assert nats == pytest.approx(wanted, rel=1e-5)
    assert training.batches.count == pytest.approx(10.0 * float(w.sum()))


def test_gradients_learn_the_weighted_distribution() -> None:
    """Of 0 and 1 in equal number, weights 3 and 1: p = 3/4 and 1/4; the validation rows are weighed too."""
    x = torch.tensor([[0], [1]]).repeat(200, 1)
    model = build("made", Integer((1,), 2), hidden=(4,), seed=0)
    history = fit(model, x, weights=torch.tensor([3.0, 1.0]).repeat(200), steps=600, lr=0.02, batch=100)
    p = model.log_likelihood(torch.tensor([[0], [1]])).exp().detach()
    assert float(p[0]) == pytest.approx(0.75, abs=0.04)
    assert history.best_nats == pytest.approx(0.75 * math.log(0.75) + 0.25 * math.log(0.25), abs=0.1)


def test_weights_go_with_their_rows() -> None:
    x = torch.arange(40, dtype=torch.float64)[:, None]
    rows = as_source(x, weights=np.arange(40)).read()
    for part in (*hold_out(rows), rows.subset(torch.tensor([7, 3, 3]))):
        assert part.weights is not None
        assert torch.equal(part.weights, part.x[:, 0])


@pytest.mark.parametrize("kind", ["csv", "parquet", "frame"])
def test_a_column_of_weights_is_no_part_of_the_events(kind: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [0.5, 1.5, 2.5, 0.0], "w": [1, 0, 2, 1], "b": [1.0, 2.0, 4.5, 5.0]})
    data: Any = frame
    if kind != "frame":
        data = str(tmp_path / f"t.{kind}")
        frame.to_csv(data, index=False) if kind == "csv" else frame.to_parquet(data, index=False)
    source = as_source(data, weights="w")
    assert source.columns == ("a", "b")
    with pytest.raises(ShapeMismatch, match=r"got 'a', and it is a column of the events or the context\. It has 'a'"):
        as_source(data, weights="a", context=("a",))
    parts = list(source.weighted_batches(2))
    assert torch.cat([w for _, _, w in parts if w is not None]).tolist() == [1.0, 0.0, 2.0, 1.0]
    whole = source.read()
    assert whole.weights is not None
    assert whole.weights.tolist() == [1.0, 0.0, 2.0, 1.0]
    assert "weights in column 'w'" in whole.read_as or kind == "frame"
    model = build("gaussian", Real((2,)))
    fit(model, data, weights="w")
    by_hand = build("gaussian", Real((2,)))
    fit(by_hand, frame[["a", "b"]], weights=frame["w"].to_numpy())
    assert torch.allclose(model.log_likelihood(whole.x), by_hand.log_likelihood(whole.x), rtol=1e-12)


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        ([1.0, -1.0, 1.0], OutsideSpace, "weights of 0 or more; got -1 at row 2"),
        ([1.0, math.nan, 1.0], NotFinite, "missing value or NaN at row 2"),
        ([1.0, math.inf, 1.0], NotFinite, "infinity at row 2"),
        ([0.0, 0.0, 0.0], UsageError, "not all 0"),
        ([1.0, 1.0], ShapeMismatch, "one weight for each of 3 rows"),
        ("w", UsageError, "without named columns"),
    ],
)
def test_weights_that_cannot_be(weights: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as refused:
        fit(build("gaussian", Real((1,))), [[1.5], [2.5], [3.5]], weights=weights)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("w", "0 or more; got -2 at row 2, column 'w' of t.csv"),
        ("z", "got 'z', and t.csv has none"),
        ("n", "NaN at row 1"),
    ],
)
def test_columns_that_cannot_be_weights(column: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,w,n\n0.5,1,\n1.5,-2,3\n")
    with pytest.raises(DataError, match=words):
        as_source(str(tmp_path / "t.csv"), columns=("a",), weights=column).read()


def test_scores_count_every_row_once_and_say_so() -> None:
    rows = as_source(events(REALS), weights=counts().double())
    model = build("gaussian", REALS)
    fit(model, rows)
    score = evaluate(model, rows)
    assert "weights left aside" in str(score)
    assert score.nats == pytest.approx(float(model.log_likelihood(events(REALS)).mean()))


def test_the_command_records_the_column_and_resumes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.normal(size=(60, 2)), columns=["a", "b"]).assign(w=generator.integers(1, 4, 60))
    frame.to_csv("t.csv", index=False)
    words = ["fit", "t.csv", "--model", "gaussian", "--weights", "w", "-o", "run"]
    assert run(words) == 0
    record = read_record(Path("run"))
    assert record["data"]["weights"] == "w"
    assert record["data"]["columns"] == ["a", "b"]
    assert run(["fit", "t.csv", "-o", "run", "--resume"]) == 0
    assert run(["score", "run", "t.csv"]) == 0
    data = open_dataset("t.csv", weights="w")
    assert data.train.weights is not None
    assert run(["fit", "t.csv", "--weights", "nosuch", "-o", "other"]) == ShapeMismatch.exit_code
