"""Products of float32 matrices by the faster of the two libraries torch has on a processor.

torch computes them with MKL, which on processors of AMD leaves AVX-512 unused. oneDNN, the library of torch's
convolutions, chooses its kernels by what a processor can do: there it takes half the time, without AVX-512 nine tenths.
Nothing here is for automatic differentiation.
"""

import functools
import platform
from pathlib import Path

import torch
from torch import Tensor

LARGE = 1 << 21  # multiplications; below that a call of oneDNN, some 10 microseconds, costs more than it gains


def linear(x: Tensor, w: Tensor, onto: Tensor | None = None) -> Tensor:
    """x w^T + onto: (B, in), (out, in), and (out,) or (B, out) -> (B, out)."""
    if not _by_onednn(x, w):
        return x @ w.t() if onto is None else torch.addmm(onto, x, w.t())
    # Given a part of a matrix that is no block of memory, it would take a thousand times as long.
    w = w if w.is_contiguous() or w.t().is_contiguous() else w.contiguous()
    if onto is not None and onto.ndim == 2:
        return torch.ops.mkldnn._linear_pointwise.binary(x, onto, w, None, "add")  # type: ignore[no-any-return]
    return torch.ops.mkldnn._linear_pointwise(x, w, onto, "none", [], "")  # type: ignore[no-any-return]


def product(a: Tensor, b: Tensor, onto: Tensor | None = None) -> Tensor:
    """a b + onto: (N, K), (K, M), and (M,) or (N, M) -> (N, M)."""
    return linear(a, b.t(), onto)


def _by_onednn(x: Tensor, w: Tensor) -> bool:
    if x.dtype != torch.float32 or x.device.type != "cpu" or x.numel() * len(w) < LARGE:
        return False
    return w.dtype == torch.float32 and onednn_is_faster() and bool(torch.backends.mkldnn.enabled)


@functools.cache
def onednn_is_faster() -> bool:
    """Whether torch has both libraries, and the processor is of AMD."""
    both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    return bool(both and _maker() == "AuthenticAMD" and hasattr(torch.ops.mkldnn, "_linear_pointwise"))


def _maker() -> str:
    """ "AuthenticAMD", "GenuineIntel", ...; "" where the system does not say."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor().split(", ")[-1]  # on Windows it ends in it
    lines = (line.split(":") for line in info.read_text().splitlines())
    return next((line[1].strip() for line in lines if line[0].strip() == "vendor_id"), "")
