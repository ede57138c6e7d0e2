"""Whether this processor and this build of torch can train a model in half precision: tried, not looked up."""

import copy

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.errors import UsageError
from loglik.inference.randomness import seeded

ROWS = 2  # enough for every operation to run once


def check_half_precision(model: Model, x: Tensor, context: Tensor | None) -> None:
    """Try one gradient of a few rows, on a copy of the model.

    Args:
        x: (B, *event), events of the model's space; context: (B, *c), one for each.

    Raises:
        UsageError: in bfloat16 it fails, and in float32 it does not.
    """
    if model.fitted_by.in_passes:
        return  # no net of it is trained
    x = x[:ROWS].to(model.device)
    context = None if context is None or model.context is None else context[:ROWS].to(model.device)
    try:
        _try(model, x, context, half=True)
    except RuntimeError as error:
        try:
            _try(model, x, context, half=False)
        except RuntimeError:
            return  # it is not about precision, and the training will say what it is
        reason = " ".join(str(error).split()).split(". ")[0].rstrip(".")
        raise UsageError(
            f"Expected a precision that this processor can train the model in; got 'bfloat16' ({reason}). "
            "Choose 'float32' or 'auto'."
        ) from None


def _try(model: Model, x: Tensor, context: Tensor | None, *, half: bool) -> None:
    model = copy.deepcopy(model).train()
    with seeded(0), torch.enable_grad():
        with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
            nats = model.objective(x, context).mean()
        if nats.requires_grad:
            nats.backward()
