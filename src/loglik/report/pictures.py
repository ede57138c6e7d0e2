"""Events and densities as pictures: PNG inside the page, and dots as one SVG path."""

import base64
import io

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from torch import Tensor

from loglik.output.visible import visible
from loglik.spaces import Space

Bytes = NDArray[np.uint8]
DOTS = 1000  # the width and height of a scatter in its own units


def png(pixels: Bytes, css: str, label: str) -> Markup:
    """(H, W), or (H, W, 2 or 4) with opacity, as an <img> that carries its data."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return Markup('<img class="{}" alt="{}" src="data:image/png;base64,{}">').format(css, visible(label), data)


def tiles(x: Tensor, space: Space, scale: tuple[float, float], columns: int) -> Bytes:
    """Images (n, H, W) or (n, C, H, W) side by side, one transparent pixel apart, as (H, W, 4).

    scale: the values shown black and white; discrete spaces have their own.
    """
    colours = _rgb(x, space, *scale)
    n, height, width, _ = colours.shape
    lines = -(-n // columns)
    sheet = np.zeros((lines * (height + 1) - 1, columns * (width + 1) - 1, 4), np.uint8)
    for i, image in enumerate(colours):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        sheet[top : top + height, left : left + width, :3] = image
        sheet[top : top + height, left : left + width, 3] = 255
    return sheet


def _rgb(x: Tensor, space: Space, low: float, high: float) -> Bytes:
    """(n, H, W, 3), black at `low` and white at `high`; of other than three channels the first is shown."""
    low, high = space.limits or (low, high)
    images = x.double().reshape(len(x), -1, *space.shape[-2:])  # (n, C, H, W)
    images = images[:, :3] if images.shape[1] == 3 else images[:, :1].expand(-1, 3, -1, -1)
    scaled = ((images - low) / ((high - low) or 1.0)).clamp(0.0, 1.0) * 255.0
    pixels: Bytes = scaled.nan_to_num(nan=0.0).round().byte().permute(0, 2, 3, 1).numpy()
    return pixels


def heat(values: NDArray[np.float64], top: float) -> Bytes:
    """Values (H, W) as (H, W, 3): white at 0, through blue, to nearly black at `top` and above; even in lightness."""
    stops = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    ramp = np.array([[255, 255, 255], [176, 210, 232], [91, 152, 201], [24, 92, 158], [8, 36, 84]])
    share = np.clip(np.nan_to_num(values / (top or 1.0)), 0.0, 1.0)
    pixels: Bytes = np.stack([np.interp(share, stops, ramp[:, c]) for c in range(3)], axis=-1).round().astype(np.uint8)
    return pixels


def dots(x: Tensor, window: tuple[float, float, float, float], colour: str, label: str) -> Markup:
    """Points (n, 2) inside window = (left, right, bottom, top), as an <svg>."""
    left, right, bottom, top = window
    inside = (x[:, 0] >= left) & (x[:, 0] <= right) & (x[:, 1] >= bottom) & (x[:, 1] <= top)
    across = ((x[inside, 0] - left) / (right - left) * DOTS).round().int().tolist()
    down = ((top - x[inside, 1]) / (top - bottom) * DOTS).round().int().tolist()
    path = "".join(f"M{a} {d}h0" for a, d in zip(across, down, strict=True))
    return Markup(
        '<svg class="dots" viewBox="0 0 {0} {0}" role="img" aria-label="{1}" style="--c: var(--{2})">'
        '<path d="{3}"/></svg>'
    ).format(DOTS, visible(label), colour, path)
