"""Scores are taken in evaluation mode, whatever mode the model is in; so is what is loaded."""

from pathlib import Path

import pytest
import torch

from loglik import Integer, Model, Real, build, evaluate
from loglik.runs.run import load, save

CASES = [
    build("made", Integer((4,), 3), hidden=(16,), dropout=0.5),
    build("realnvp", Real((3,)), hidden=(8,), layers=2, dropout=0.5),
    build("wavenet", Integer((6,), 4), width=4, skip=8, dropout=0.5),
]


def rows(model: Model) -> torch.Tensor:
    with torch.no_grad():  # nets that begin at 0 would drop nothing
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return torch.randn(50, 3) if isinstance(model.space, Real) else torch.randint(3, (50, *model.space.shape))


@pytest.mark.parametrize("model", CASES, ids=lambda m: m.recipe["name"])
def test_what_is_dropped_in_training_counts_in_scores(model: Model, tmp_path: Path) -> None:
    x = rows(model)
    model.eval()
    with torch.no_grad():
        truth = model.log_likelihood(x).double()
    model.train()
    with torch.no_grad():
        assert not torch.allclose(model.log_likelihood(x).double(), truth), "dropout changes it"
    torch.testing.assert_close(evaluate(model, x).values, truth)
    assert model.training
    loaded = load(save(model, tmp_path / "run"))
    assert not loaded.training
    with torch.no_grad():
        torch.testing.assert_close(loaded.log_likelihood(x).double(), truth)
