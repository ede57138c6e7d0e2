"""Sampling from WaveNet in one compiled loop, on a CPU: every event runs by itself, time step by time step.

A step of one event is 20 layers of some thousand multiplications each, far less work than calling a library for each
of them. It draws from the same distributions with the same noise as the steps that torch evaluates one by one.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from loglik.compiled.threads import in_threads, shares
from loglik.heads.companded import MuLawHead
from loglik.heads.discrete import BernoulliHead, CategoricalHead


def edges_of(draws: object) -> Tensor | None:
    """(K + 1,) for heads that draw one of K codes and then a level of its cell: the cells' first levels, and their end.

    None for all others, which the compiled loop does not know.
    """
    if isinstance(draws, MuLawHead):
        return draws.edges
    if isinstance(draws, BernoulliHead):
        return torch.arange(3)
    return torch.arange(draws.levels + 1) if isinstance(draws, CategoricalHead) else None


@dataclass(frozen=True)
class WaveNetArrays:
    """A net as the loop reads it: matrices as (inputs, outputs), R channels, S skip channels, L layers, k taps.

    entry: (levels, R), what the first layer makes of each value; blank: (R,), of none, at the first step.
    gates: (L, k R, 2R), the oldest tap first. steer: (n, frames, L, 2R), their biases, what the context adds included;
        a frame lasts `hop` steps.
    residuals: (L - 1, R, R). skips: (L R, S). top: (S, S). last: (S, params). dilations: (L,).
    """

    entry: Tensor
    blank: Tensor
    gates: Tensor
    steer: Tensor
    residuals: Tensor
    residual_biases: Tensor
    skips: Tensor
    skip_bias: Tensor
    top: Tensor
    top_bias: Tensor
    last: Tensor
    last_bias: Tensor
    dilations: Tensor
    hop: int


def generate(weights: WaveNetArrays, edges: Tensor, noise: Tensor, given: Tensor) -> Tensor:
    """(T, n) values: `given` (k, n) first, then draws with uniform noise (T, n, m)."""
    from loglik.models.autoregressive.wavenet import kernel  # numba is slow to load

    length, n = noise.shape[:2]
    values = np.empty((n, length), dtype=np.int64)
    known = given[:length].T.contiguous().numpy()
    values[:, : known.shape[1]] = known
    uniform = noise.transpose(0, 1).contiguous().numpy()
    arrays = [t.detach().contiguous().numpy() for t in vars(weights).values() if isinstance(t, Tensor)]
    entry, blank, gates, steer, *rest = arrays

    def fill(first: int, stop: int) -> None:
        some = slice(first, stop)
        kernel.generate(
            values[some], known.shape[1], uniform[some], edges.numpy(), weights.hop,
            entry, blank, gates, steer[some], *rest,
        )  # fmt: skip

    in_threads(fill, shares(n, n))
    return torch.from_numpy(values).T
