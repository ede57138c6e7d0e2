"""Events and scores as files other programs read."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loglik.contract import Model
from loglik.errors import ContextError, UsageError
from loglik.storage import write_atomic


def to_csv(x: Tensor, columns: Sequence[str] | None = None) -> str:
    """(N, *event) as CSV, one event in a row, with a header."""
    flat = x.reshape(len(x), -1)
    names = list(columns) if columns and len(columns) == flat.shape[1] else [f"x{i}" for i in range(flat.shape[1])]
    out = io.StringIO()
    form = "%.9g" if flat.is_floating_point() else "%d"
    np.savetxt(out, flat.numpy(), fmt=form, delimiter=",", header=",".join(names), comments="")
    return out.getvalue()


def write_samples(path: Path, x: Tensor, columns: Sequence[str] | None = None) -> None:
    """Samples as .npy, .csv, or, for images, one .png grid."""
    writers = {".npy": lambda: npy(x), ".csv": lambda: to_csv(x, columns).encode(), ".png": lambda: png(x)}
    if path.suffix not in writers:
        raise UsageError(f"Expected a .npy, .csv or .png file; got {path}.")
    write_atomic(path, writers[path.suffix]())


def write_rows(path: Path, values: Tensor) -> None:
    """log p of every row, in nats, as .csv or .npy."""
    if path.suffix == ".npy":
        write_atomic(path, npy(values))
    elif path.suffix == ".csv":
        write_atomic(path, to_csv(values[:, None], ["log_likelihood"]).encode())
    else:
        raise UsageError(f"Expected a .csv or .npy file; got {path}.")


def npy(x: Tensor) -> bytes:
    out = io.BytesIO()
    np.save(out, x.numpy())
    return out.getvalue()


def png(x: Tensor) -> bytes:
    """Images (N, H, W), (N, 1, H, W) or (N, 3, H, W) as a nearly square grid, each value over the range of all."""
    from matplotlib.image import imsave

    if x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[1] not in (1, 3)):
        raise UsageError(f"Expected images of 1 or 3 channels for a .png; got events of shape {tuple(x.shape[1:])}.")
    images = x.double().reshape(len(x), -1, *x.shape[-2:]).permute(0, 2, 3, 1)  # (N, H, W, C)
    images = (images - images.min()) / (images.max() - images.min()).clamp(min=1e-12)
    n, height, width, channels = images.shape
    across = math.ceil(math.sqrt(n))
    down = math.ceil(n / across)
    grid = torch.ones(down * (height + 1) - 1, across * (width + 1) - 1, channels)
    for i, image in enumerate(images):
        top, left = i // across * (height + 1), i % across * (width + 1)
        grid[top : top + height, left : left + width] = image
    out = io.BytesIO()
    imsave(out, grid.expand(-1, -1, 3).repeat_interleave(4, 0).repeat_interleave(4, 1).numpy(), format="png")
    return out.getvalue()


def parse_context(model: Model, words: str | None) -> Tensor | None:
    """ "3" or "0.5,1.2" as one context row for a model of p(x|c)."""
    if words is None:
        return None
    if model.context is None:
        raise ContextError("This model takes no context; got one. Leave --context out.")
    try:
        values = torch.tensor([float(word) for word in words.split(",")])
    except ValueError:
        raise ContextError(f"Expected numbers separated by commas as the context; got {words!r}.") from None
    if values.numel() != model.context.dims:
        raise ContextError(f"Expected a context of {model.context.dims} values; got {values.numel()}.")
    context = values.reshape(1, *model.context.shape)
    model.context.events(context)
    return context
