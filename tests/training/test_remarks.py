"""What a fit has to say of the data: a column of one value, whose density means nothing."""

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor

from loglik import Integer, Real, build, fit
from loglik.cli.app import run
from loglik.errors import FitWarning


def with_constant(n: int = 100) -> Tensor:
    x = torch.randn(n, 3, dtype=torch.float64)
    x[:, 1] = 7.5
    return x


@pytest.mark.parametrize(("name", "steps"), [("gaussian", None), ("gmm", 3), ("realnvp", 1)])
def test_a_constant_column_is_named(name: str, steps: int | None) -> None:
    with pytest.warns(FitWarning, match="^Column 2 is constant in the 100 rows"):
        fit(build(name, Real((3,))), with_constant(), valid=torch.randn(30, 3).double(), steps=steps)


def test_nothing_is_said_of_columns_that_vary_or_of_probabilities() -> None:
    x = with_constant()
    x[57, 1] = 7.25
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(build("gaussian", Real((3,))), x)
        fit(build("histogram", Integer((3,), 9)), torch.full((20, 3), 4))


def test_a_table_with_a_constant_column_says_so_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,k,b\n" + "".join(f"{a},{k},{b}\n" for a, k, b in with_constant().tolist()))
    assert run(["compare", str(table), "--models", "gaussian,gmm", "--budget", "4s", "-o", str(tmp_path / "c")]) == 0
    assert capsys.readouterr().err.count("Column 'k' is constant") == 1


def test_one_step_is_counted_in_the_singular() -> None:
    x = torch.randn(50, 2, dtype=torch.float64)
    assert str(fit(build("gaussian", Real((2,))), x)).startswith("closed form: 1 step in ")
    assert str(fit(build("gmm", Real((2,)), components=2), x, steps=2, tolerance=0.0)).startswith("EM: 2 steps in ")


def test_more_components_than_rows_are_remarked_with_both_figures() -> None:
    x = torch.randn(20, 2, dtype=torch.float64)
    with pytest.warns(FitWarning, match="has 30 components and started from 20 rows.*Take components=2"):
        fit(build("gmm", Real((2,)), components=30), x, steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(build("gmm", Real((2,)), components=20), x, steps=1)


@pytest.mark.parametrize(("data", "said"), [("moons", 1), ("ising", 0)])
def test_a_hyperparameter_without_effect_on_reals_is_remarked(
    data: str, said: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--steps", "1", "--set", "hidden=4", "--set", "rescale=linear", "--set", "dequantization=uniform"]
    assert run(["fit", data, "--model", "nice", *options, "-o", str(tmp_path / "r")]) == 0
    assert capsys.readouterr().err.count("rescale and dequantization of nice have no effect on reals") == said


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("realnvp", ["components=3"], "components of realnvp have no effect with transform=affine"),
        ("maf", ["components=3"], "components of maf have no effect with base=normal"),
        ("realnvp", ["components=3", "transform=logistic-mixture"], ""),
        ("maf", ["components=3", "base=mixture"], ""),
        ("maf", [], ""),
    ],
)
def test_components_without_a_mixture_are_remarked(
    model: str, options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [part for option in ("hidden=4", "layers=1", *options) for part in ("--set", option)]
    assert run(["fit", "moons", "--model", model, *given, "--steps", "1", "-o", str(tmp_path / "r")]) == 0
    told = capsys.readouterr().err
    assert ("have no effect" in told) is bool(said)
    assert said in " ".join(told.split())
