"""log p(x, z) at many draws of z for each event."""

import torch
from torch import Tensor

from loglik.contract import LatentModel, Model
from loglik.errors import NotFinite, UsageError
from loglik.ops import has_gaps, repeat_rows
from loglik.spaces import Measure


def check_latents(model: Model, task: str) -> None:
    """Raises UsageError for a model without latents, or without a p(z) of its own."""
    name = (model.recipe or {}).get("name", type(model).__name__)
    if isinstance(model, LatentModel) and not model.infers and model.space.measure is Measure.MASS:
        raise UsageError(
            f"Expected latents that explain the values for {task}; got {name}, a density of values "
            "with noise within their levels. Take its K-sample bound, or fit the values as real."
        )
    if not model.infers or not model.draws_latents:
        raise UsageError(
            f"Expected a model with latents for {task}, such as gmm, ppca, factor-analysis or vae; got {name}. "
            "Its score is log_likelihood."
        )


def check_whole(model: Model, x: Tensor, context: Tensor | None) -> None:
    """Raises NotFinite for missing values in x (B, *event) of which the model has no log p(x|z)."""
    if has_gaps(x) and bool(log_joint_of(model, x, latents(model, 1, len(x)), context).isnan().any()):
        name = (model.recipe or {}).get("name", type(model).__name__)
        raise NotFinite(
            f"Expected whole events for log p(x|z) of {name}; got missing values. Remove the rows, fill in the values, "
            "or take gmm or mppca, which leave them out."
        )


def log_joint_of(model: Model, x: Tensor, z: Tensor, context: Tensor | None) -> Tensor:
    """x (B, *event), z (n, B, *latent) -> log p(x, z), (n, B)."""
    n, B = z.shape[:2]
    z = z.to(model.dtype) if z.is_floating_point() else z
    rows = x.expand(n, *x.shape).flatten(0, 1)
    given = None if context is None else repeat_rows(context[None], n).flatten(0, 1)  # type: ignore[union-attr]
    return model.log_joint(rows, z.flatten(0, 1), given).double().reshape(n, B)


def log_latent_of(model: Model, z: Tensor) -> Tensor:
    """z (n, B, *latent) -> log p(z), (n, B)."""
    return model.log_latent(z.flatten(0, 1)).double().reshape(z.shape[:2])


def latents(model: Model, n: int, B: int) -> Tensor:
    """n draws z ~ p(z) for each of B events, (n, B, *latent)."""
    z = model.sample_latents(n * B)
    return torch.stack(z.split(B)) if n else z.reshape(0, B, *z.shape[1:])
