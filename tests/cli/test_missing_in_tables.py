"""A table with missing values through the commands: read, fitted, scored, compared, reported, or refused in a line."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from loglik.cli.app import run
from loglik.errors import NotFinite, UsageError
from loglik.runs.run import read_record

MISSING = 37


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    x = random.normal(size=(100, 2)) @ np.array([[1.0, 0.8], [0.0, 0.5]])
    x.flat[random.choice(200, MISSING, replace=False)] = np.nan
    pd.DataFrame(x, columns=["a", "b"]).to_csv("t.csv", index=False)


def test_data_tells_how_many_are_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "t.csv"]) == 0
    assert f"100 rows of 2 columns, {MISSING} values missing" in capsys.readouterr().out


def test_a_run_is_fitted_scored_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", "t.csv", "--model", "gaussian", "-o", "run"]) == 0
    record = read_record(Path("run"))
    assert record["fit"]["history"]["method"] == "EM"
    assert 0 < record["scores"][0]["missing"] < MISSING
    capsys.readouterr()
    assert run(["score", "run", "t.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missing"] == MISSING
    assert run(["report", "run", "--data", "t.csv"]) == 0
    assert "with missing values left out" in Path("run/report.html").read_text()


def test_a_comparison_ranks_those_that_can(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "t.csv", "--models", "gaussian,vae", "--budget", "2s", "-o", "both"]) == 0
    shown = capsys.readouterr().out
    assert "gaussian" in shown
    assert "got vae" in shown


def test_one_line_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", "t.csv", "--model", "made", "-o", "run"]) == NotFinite.exit_code
    line = capsys.readouterr().err.splitlines()[-1]
    assert "learns from rows with missing values; got made" in line
    assert "Take gaussian" in line
    assert not Path("run").exists()
    assert run(["fit", "t.csv", "--model", "gaussian", "--starts", "2", "-o", "run"]) == UsageError.exit_code
    assert not Path("run").exists()
    Path("w.csv").write_text("a,b\n" + "1,2\n4,7\n,3\n" * 9)
    assert run(["fit", "w.csv", "-o", "whole"]) == NotFinite.exit_code
    assert "--space real" in capsys.readouterr().err
    assert run(["fit", "w.csv", "--space", "real", "--model", "gaussian", "-o", "whole"]) == 0


def test_a_table_with_gaps_gets_a_model_that_learns_from_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --model; a table without gaps gets the flow that it always got."""
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).normal(size=(60, 2))
    lines = [f"{a:.4f},{b:.4f}" for a, b in rows]
    lines[3] = f",{rows[3, 1]:.4f}"
    lines[20] = f"{rows[20, 0]:.4f},NA"
    (tmp_path / "t.csv").write_text("\n".join(["a,b", *lines]) + "\n")
    assert run(["fit", "t.csv", "--set", "components=2", "--seed", "1"]) == 0
    record = json.loads((tmp_path / "runs" / "t-gmm" / "run.json").read_text())
    assert record["model"]["name"] == "gmm"
