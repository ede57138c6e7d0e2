"""Several starts of EM: the highest end is kept, all are recorded, and the first is that of a single one."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from loglik import Real, build, evaluate, fit
from loglik.cli.app import run
from loglik.errors import UsageError
from loglik.runs.run import read_history, read_record
from loglik.training.history import History
from loglik.training.options import seconds

PLANE = Real((2,))


def points(n: int = 300) -> Tensor:
    """Points spread evenly, which a mixture of nine can describe in many ways."""
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_highest_end_is_kept_and_all_are_recorded() -> None:
    model = build("gmm", PLANE, components=9, seed=0)
    history = fit(model, points(), starts=5, seed=1)
    assert len(history.starts) == 5
    assert history.kept_start is not None
    ends = [start.nats for start in history.starts]
    assert history.starts[history.kept_start - 1].nats == max(ends)
    assert evaluate(model, points()).nats == pytest.approx(max(ends), abs=1e-12)
    assert len({start.seed for start in history.starts}) == 5
    assert max(ends) - min(ends) > 0.001  # the starts do end apart
    kept = history.starts[history.kept_start - 1]
    assert [row.nats for row in history.rows] == kept.trace
    assert all(start.steps == len(start.trace) for start in history.starts)
    assert f"start {history.kept_start} of 5 kept" in str(history)


def test_each_start_can_be_had_alone_from_its_seed() -> None:
    history = fit(build("gmm", PLANE, components=9, seed=0), points(), starts=3, seed=4)
    for start in history.starts:
        alone = fit(build("gmm", PLANE, components=9, seed=0), points(), seed=start.seed)
        assert [row.nats for row in alone.rows] == start.trace
    assert history.starts[0].seed == 4


def test_the_history_comes_back_from_json_and_csv() -> None:
    history = fit(build("gmm", PLANE, components=2), points(60), starts=2, steps=3)
    again = History.from_json(dataclasses.asdict(history))
    assert again == history
    assert [row.step for row in History.rows_from_csv(history.to_csv())] == [row.step for row in history.rows]


@pytest.mark.parametrize(("name", "how"), [("gaussian", "closed form"), ("made", "gradients")])
def test_one_optimum_has_no_starts(name: str, how: str) -> None:
    with pytest.raises(UsageError, match=f"EM fits for 3 starts; got {name}, fitted by {how}"):
        fit(build(name, PLANE), points(60), starts=3)


def test_a_budget_is_shared() -> None:
    history = fit(build("gmm", PLANE, components=9), points(2000), starts=4, budget="1s", tolerance=0.0, patience=10**6)
    assert len(history.starts) == 4
    assert history.seconds < 1.6
    assert seconds("1s") == 1.0


def test_the_command_keeps_the_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", points().numpy())
    words = ["fit", "x.npy", "--model", "gmm", "--set", "components=9", "--starts", "3", "-o", "run"]
    assert run(words) == 0
    assert "of 3 kept" in capsys.readouterr().err
    record = read_record(Path("run"))
    starts = record["fit"]["history"]["starts"]
    assert [start["stopped"] for start in starts] == ["converged"] * 3
    kept = starts[record["fit"]["history"]["kept_start"] - 1]
    assert [row.nats for row in read_history(Path("run"))] == pytest.approx(kept["trace"])
    assert run(["fit", "x.npy", "-o", "run", "--resume", "--steps", "600"]) == 0
    assert run([*words[:-1], "other", "--starts", "0"]) == UsageError.exit_code
