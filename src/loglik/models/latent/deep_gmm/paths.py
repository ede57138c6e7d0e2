"""Paths through layers of affine maps, evaluated as a tree: what paths share below is computed once.

Layer j has N_j maps. Data go up by the inverse maps, e_j = W_j e_(j-1) + c_j with e_0 = x; noise comes down by
e_(j-1) = A_j e_j + b_j, A = W^-1, b = -A c. A path p = (p_1, ..., p_k) takes one map of each layer. Paths are numbered
with p_1 the fastest: p = p_1 + N_1 (p_2 + N_2 (p_3 + ...)).
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn


class Layer(nn.Module):
    """N inverse maps e -> W_i e + c_i: `maps` W (N, D, D), `shifts` c (N, D)."""

    def __init__(self, count: int, dims: int) -> None:
        super().__init__()
        self.maps = nn.Parameter(torch.eye(dims, dtype=torch.float64).repeat(count, 1, 1))
        self.shifts = nn.Parameter(torch.zeros(count, dims, dtype=torch.float64))

    def forward(self, e: Tensor, one: Tensor) -> Tensor:
        """(D, n), (n,) -> W_i e + c_i one, (N, D, n): with `one` 1 affine, with 0 linear."""
        rows: Tensor = (self.maps.flatten(0, 1) @ e).view(*self.shifts.shape, -1)
        return rows + self.shifts[:, :, None] * one

    def along(self, e: Tensor, chosen: Tensor) -> Tensor:
        """(M, D, n), maps (n,) -> W_i e + c_i with the map of each event, (M, D, n)."""
        up: Tensor = (self.maps[chosen] @ e.movedim(2, 0).mT).mT.movedim(0, 2)
        return up + self.shifts[chosen].T

    def log_det(self) -> Tensor:
        """(N,): log|det W_i|."""
        found: Tensor = torch.linalg.slogdet(self.maps).logabsdet
        return found

    def down(self, e: Tensor, chosen: Tensor) -> Tensor:
        """(n, D), maps (n,) -> (n, D): A_i e + b_i = W_i^-1 (e - c_i)."""
        x = torch.empty_like(e)
        for i in range(len(self.maps)):
            rows = chosen == i
            x[rows] = torch.linalg.solve(self.maps[i], (e[rows] - self.shifts[i]).T).T
        return x


class Paths(nn.Module):
    """All paths through layers of `counts` maps each; P is their number."""

    def __init__(self, counts: Sequence[int], dims: int) -> None:
        super().__init__()
        self.counts, self.dims = tuple(counts), dims
        self._layers = nn.ModuleList(Layer(count, dims) for count in counts)

    @property
    def layers(self) -> list[Layer]:
        """The data's own first."""
        return cast(list[Layer], list(self._layers))

    def residuals(self, e: Tensor, one: Tensor, depth: int | None = None) -> Tensor:
        """(D, n), (n,) -> e_k of every path (P, D, n); of those through the lowest `depth` layers if given.

        The cost is N_1 + N_1 N_2 + ... + P products W e, little more than the P of the last layer.
        """
        n = e.shape[1]
        up = e[None]
        for layer in self.layers[:depth]:
            below = up.movedim(1, 0).reshape(self.dims, -1)  # (D, paths so far * n)
            out = layer(below, one.repeat(len(up)))  # (N, D, paths so far * n)
            up = out.view(len(out), self.dims, len(up), n).transpose(1, 2).flatten(0, 1)
        return up

    def composed(self, depth: int | None = None) -> tuple[Tensor, Tensor]:
        """M (P, D, D) and d (P, D) of e_k = M x + d, for every path."""
        columns = torch.eye(self.dims, self.dims + 1, dtype=torch.float64, device=self.device)
        one = columns.new_zeros(self.dims + 1)
        one[-1] = 1.0
        both = self.residuals(columns, one, depth)
        return both[:, :, :-1], both[:, :, -1]

    def summed(self, values: Sequence[Tensor]) -> Tensor:
        """A value (N_j,) of each map -> their sum along every path, (P,)."""
        total = values[0]
        for value in values[1:]:
            total = (value[:, None] + total).flatten()
        return total

    def log_det(self) -> Tensor:
        """(P,): log|det M|."""
        return self.summed([layer.log_det() for layer in self.layers])

    def choices(self, p: Tensor) -> list[Tensor]:
        """Numbers of paths (n,) -> the map of each layer, k of (n,)."""
        found = []
        for count in self.counts:
            found.append(p % count)
            p = p // count
        return found

    def down(self, e: Tensor, chosen: Sequence[Tensor]) -> Tensor:
        """e_k (n, D) and the map of each layer, k of (n,) -> x (n, D)."""
        for layer, maps in reversed(list(zip(self.layers, chosen, strict=True))):
            e = layer.down(e, maps)
        return e

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device
