"""Several processes at one run, under `torchrun`: the first keeps it, and the others take their rows in its fit."""

from collections.abc import Mapping

import torch

from loglik.data import Dataset
from loglik.errors import UsageError
from loglik.inference.randomness import seeded
from loglik.tasks.compare import build_for
from loglik.training.fit import fit
from loglik.training.options import Options
from loglik.zoo import entry


def check_together(model: str, *, resume: bool) -> None:
    """Raises UsageError for what several processes do not do together: resume, or train by gradients."""
    if resume:
        raise UsageError("Expected one process to resume a run; got several. Start `loglik fit --resume` by itself.")
    if not entry(model).fitted_by.in_passes:
        how = entry(model).fitted_by
        raise UsageError(
            f"Expected a model fitted in passes for several processes; got {model}, fitted by {how}. Start one process."
        )


def assist(
    data: Dataset, model: str, hyperparameters: Mapping[str, object], options: Mapping[str, object],
    device: torch.device | None = None,
) -> None:  # fmt: skip
    """Take this process's rows in the fit that `fit_run` makes of the same model, data and options in the first one."""
    chosen = Options.of(**options)
    with seeded(chosen.seed):
        built = build_for(model, data, dict(hyperparameters))
    fit(built.to(device or "cpu"), data, **chosen.given())
