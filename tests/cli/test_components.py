"""`loglik components`: what was put into a table comes out, in its units and under its names."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from loglik.cli.app import run


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """People of two kinds, one of four of the smaller kind."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    small = random.normal((110.0, 20.0), (5.0, 2.0), size=(500, 2))
    large = random.normal((175.0, 70.0), (7.0, 9.0), size=(1500, 2))
    both = np.concatenate([small, large])[random.permutation(2000)]
    pd.DataFrame(both, columns=["height", "weight"]).to_csv("t.csv", index=False)
    assert run(["fit", "t.csv", "--model", "gmm", "--set", "components=2", "-o", "run"]) == 0


def words(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert run(["components", *arguments]) == 0
    return capsys.readouterr().out


def test_weights_means_and_deviations_are_those_of_the_people(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(words(capsys, "run", "--json"))
    assert found["columns"] == ["height", "weight"]
    large, small = found["components"]
    for one, share, means, deviations in ((large, 0.75, (175, 70), (7, 9)), (small, 0.25, (110, 20), (5, 2))):
        assert one["weight"] == pytest.approx(share, abs=0.03)
        assert one["means"] == pytest.approx(means, abs=1.0)
        assert one["standard deviations"] == pytest.approx(deviations, rel=0.1)
    head, _, first, *_ = words(capsys, "run").splitlines()
    assert head.split() == ["component", "weight", "height", "weight"]
    assert f"{large['means'][0]:.6g} +- {large['standard deviations'][0]:.6g}" in first
    assert "criteria" not in found


def test_criteria_of_the_rows_are_scikit_learns(capsys: pytest.CaptureFixture[str]) -> None:
    from sklearn.mixture import GaussianMixture

    x = pd.read_csv("t.csv").to_numpy()
    found = json.loads(words(capsys, "run", "t.csv", "--json"))["criteria"]
    assert found["bic"] == pytest.approx(GaussianMixture(2, random_state=0, tol=1e-9).fit(x).bic(x), rel=1e-3)
    assert f"BIC {found['bic']:.2f}" in words(capsys, "run", "t.csv")
    assert found["events"] == 2000


def test_a_run_of_something_else_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", "t.csv", "--model", "gaussian", "-o", "other"]) == 0
    assert run(["fit", "digits", "--model", "gmm", "--set", "components=2", "--steps", "1", "-o", "digits-run"]) == 0
    for folder, told in (("other", "Expected a gmm; got gaussian"), ("digits-run", "no means in the units")):
        capsys.readouterr()
        assert run(["components", folder]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert told in line
    assert run(["components", "run", "t.csv", "--part", "train"]) == 2


def test_a_built_in_data_set_is_scored_on_its_train_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", "moons", "--model", "gmm", "--set", "components=2", "--steps", "2", "-o", "moons-run"]) == 0
    train, stated, test = (
        json.loads(words(capsys, "moons-run", "moons", "--json", *part))["criteria"]["events"]
        for part in ((), ("--part", "train"), ("--part", "test"))
    )
    assert train == stated > test > 0
