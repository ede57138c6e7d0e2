"""The M-step of a deep mixture: the maps that are best for moments of every path, or better at least.

    Q(W, c) = sum_p [n_p log|det M_p| - 1/2 sum_n r_np |M_p x_n + d_p|^2] - ridge/2 sum_ji |W_ji|^2

needs of the data only n_p, sum_n r_np x_n and sum_n r_np x_n x_n^T of each path: what it costs does not depend on how
many events there are. The maps of the last layer have a closed form given those below, like a mixture's components; all
maps together are raised by L-BFGS. Both only ever raise Q, so this is generalised EM (Dempster et al. 1977, section 3).
"""

import torch
from torch import Tensor

from loglik.models.latent.deep_gmm.paths import Paths

FEWEST = 1e-8  # a map that explains fewer events stays as it is


class Moments:
    """n (P,), sum r (x - m) (P, D), sum r (x - m)(x - m)^T (P, D, D) about the points m (P, D)."""

    def __init__(self, centres: Tensor, counts: Tensor, first: Tensor, second: Tensor) -> None:
        self.centres, self.counts = centres, counts
        bordered = torch.cat([second, first[:, :, None]], 2)
        last = torch.cat([first, counts[:, None]], 1)
        self.of_x1 = torch.cat([bordered, last[:, None]], 1)  # those of (x - m, 1), (P, D+1, D+1)

    def raise_all(self, paths: Paths, ridge: float, iterations: int) -> None:
        """`iterations` of L-BFGS on all maps at once; what is not better is taken back."""
        parameters = list(paths.parameters())
        before = [parameter.detach().clone() for parameter in parameters]
        optimizer = torch.optim.LBFGS(parameters, max_iter=iterations, line_search_fn="strong_wolfe", history_size=10)
        events = self.counts.sum().clamp(min=1.0)

        @torch.enable_grad()
        def loss() -> Tensor:
            value = -self.bound(paths, ridge) / events
            gradients = torch.autograd.grad(value, parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            return value.detach()

        start = float(self.bound(paths, ridge))
        optimizer.step(loss)
        optimizer.zero_grad()
        if not float(self.bound(paths, ridge)) >= start:
            for parameter, old in zip(parameters, before, strict=True):
                parameter.copy_(old)

    def bound(self, paths: Paths, ridge: float) -> Tensor:
        """Q, without the weights of paths and constants, ()."""
        maps, shifts = paths.composed()
        z = torch.cat([maps, maps @ self.centres[:, :, None] + shifts[:, :, None]], 2)  # of (x - m, 1)
        squares = ((z @ self.of_x1) * z).sum()
        return (self.counts * paths.log_det()).sum() - 0.5 * squares + log_prior(paths, ridge)

    def solve_last(self, paths: Paths, ridge: float) -> None:
        """The best last layer given those below: W^T W = n (S + ridge I)^-1 with S the scatter of e_(k-1)."""
        layer = paths.layers[-1]
        N, D = layer.shifts.shape
        maps, shifts = paths.composed(len(paths.counts) - 1)
        maps, shifts = maps.repeat(N, 1, 1), shifts.repeat(N, 1)
        first = self.of_x1[:, :-1, -1:]
        offset = (maps @ self.centres[:, :, None]) + shifts[:, :, None]  # e_(k-1) at m
        moved = maps @ first
        second = maps @ self.of_x1[:, :-1, :-1] @ maps.mT + moved @ offset.mT + offset @ moved.mT
        second = second + self.counts[:, None, None] * offset @ offset.mT
        second = second.view(N, -1, D, D).sum(1)
        sums = (moved + self.counts[:, None, None] * offset).view(N, -1, D).sum(1)
        counts = self.counts.view(N, -1).sum(1)
        alive = counts > FEWEST
        n = torch.where(alive, counts, 1.0)
        mean = sums / n[:, None]
        scatter = second - n[:, None, None] * mean[:, :, None] * mean[:, None, :]
        identity = torch.eye(D, dtype=scatter.dtype, device=scatter.device)
        root, info = torch.linalg.cholesky_ex((scatter + ridge * identity) / n[:, None, None])
        alive &= info == 0
        best: Tensor = torch.linalg.solve_triangular(root[alive], identity.expand(int(alive.sum()), D, D), upper=False)
        layer.maps[alive] = best
        layer.shifts[alive] = -(best @ mean[alive, :, None])[:, :, 0]


def log_prior(paths: Paths, ridge: float) -> Tensor:
    """-ridge/2 sum |W|^2, (): no map becomes singular on the few events that it explains."""
    squares = [layer.maps.square().sum() for layer in paths.layers]
    return -0.5 * ridge * torch.stack(squares).sum()
