"""`loglik score --evidence`: log p(x) from draws of the latents, as a user asks for it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import loglik
from loglik.cli.app import run
from loglik.runs.run import Run


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of reals t.csv, one of levels w.csv, and the runs ppca and gaussian of the first, gmm of the other."""
    folder = tmp_path_factory.mktemp("evidence")
    random = np.random.default_rng(0)
    np.savetxt(
        folder / "t.csv", random.normal(size=(120, 1)) + random.normal(size=(120, 3)), "%.5f", ",", header="a,b,c"
    )
    np.savetxt(folder / "w.csv", random.integers(0, 9, (120, 2)), "%d", ",", header="a,b")
    fit = ["--steps", "20", "-o"]
    assert run(["fit", str(folder / "t.csv"), "--model", "ppca", "--set", "latents=1", *fit, str(folder / "ppca")]) == 0
    assert run(["fit", str(folder / "t.csv"), "--model", "gaussian", *fit, str(folder / "gaussian")]) == 0
    assert run(["fit", str(folder / "w.csv"), "--model", "gmm", "--space", "integer:9", *fit, str(folder / "gmm")]) == 0
    return folder


def asked(table: Path, name: str, data: str, *words: str) -> int:
    return run(["score", str(table / name), str(table / data), *words])


def test_the_line_says_what_the_draws_are_worth(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert asked(table, "ppca", "t.csv", "--evidence", "naive", "--samples", "500") == 0
    out = capsys.readouterr().out
    x = torch.from_numpy(np.loadtxt(table / "t.csv", delimiter=","))
    found = loglik.marginal_likelihood(Run.open(table / "ppca").model(), x, method="naive", samples=500)
    assert str(found.score) in out
    assert found.in_words() in out
    assert "lower bound, K=500" in out
    assert f"by the formula {float(found.predicted.median()):.3g}" in out  # type: ignore[union-attr]


def test_as_json(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Importance sampling from the exact posterior has no variance, and every draw counts."""
    capsys.readouterr()
    assert asked(table, "ppca", "t.csv", "--evidence", "importance", "--samples", "7", "--json") == 0
    drawn = json.loads(capsys.readouterr().out)
    assert asked(table, "ppca", "t.csv", "--json") == 0
    assert drawn["nats"] == pytest.approx(json.loads(capsys.readouterr().out)["nats"], abs=1e-9)
    assert drawn["evidence"]["method"] == "importance"
    assert drawn["evidence"]["effective"] == pytest.approx(7.0)
    assert drawn["evidence"]["relative_variance"] < 1e-20 < drawn["evidence"]["naive_variance"]


@pytest.mark.parametrize(
    ("name", "data", "method", "code", "said"),
    [
        ("gaussian", "t.csv", "naive", 2, "Expected a model with latents"),
        ("gmm", "w.csv", "importance", 2, "noise within their levels"),
        ("ppca", "t.csv", "importanc", 3, "Did you mean 'importance'"),
    ],
)
def test_what_cannot_be_is_one_line(
    table: Path, name: str, data: str, method: str, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert asked(table, name, data, "--evidence", method) == code
    told = capsys.readouterr()
    assert not told.out
    assert len(told.err.splitlines()) == 1
    assert said.lower() in told.err.lower()
