"""Draw from a model."""

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.errors import ContextError, UsageError
from loglik.inference.evaluate import batch_rows, evaluating
from loglik.inference.randomness import seeded


def sample(model: Model, n: int, context: Tensor | None = None, *, seed: int = 0) -> Tensor:
    """n draws from p(x) or p(x|c), (n, *event), on the CPU; the same seed gives the same draws.

    Args:
        context: (n, *c), or (1, *c) for all.
    """
    if n < 1:
        raise UsageError(f"Expected at least 1 sample; got {n}.")
    if context is not None and len(context) not in (1, n):
        raise ContextError(f"Expected a context of 1 or {n} rows; got {len(context)}.")
    if context is not None:
        context = context.expand(n, *context.shape[1:]).to(model.device)
    at_once = batch_rows(model)
    with seeded(seed), evaluating(model):
        parts = [
            model.sample(min(at_once, n - start), None if context is None else context[start : start + at_once]).cpu()
            for start in range(0, n, at_once)
        ]
    return torch.cat(parts)
