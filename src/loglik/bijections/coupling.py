"""Couplings: one part of x passes unchanged and steers how the other part is moved.

Dinh, Krueger, Bengio 2014, NICE, arXiv:1410.8516; Dinh, Sohl-Dickstein, Bengio 2017, Density estimation using Real
NVP, arXiv:1605.08803.
"""

import torch
from torch import Tensor, nn

from loglik.bijections.steered import Split, Steered
from loglik.bijections.transform import Transform, WrittenOut
from loglik.contract import Bijection
from loglik.nets.dense.mlp import MLP
from loglik.ops import FAR, is_permutation, sum_event


class Coupling(Bijection):
    """z_a = x_a,  z_b = f(x_b; net(x_a, c)): axis 1, the dims of a vector or the channels of an image, is split.

    The Jacobian is triangular, so log|det dz/dx| is the sum of the moved values' log derivatives. The net reads nothing
    but the A values that pass, and speaks of nothing but the M that move.

    Args:
        net: (B, A, ...), context -> (B, params * M, ...), the first parameter of all that moves, then the second, ...
        passed: bool (C,), True where x passes; A of them are.
    """

    def __init__(self, net: nn.Module, transform: Transform, passed: Tensor) -> None:
        super().__init__()
        self.net, self.transform = net, transform
        passes, moves = passed.bool().nonzero().squeeze(1), (~passed.bool()).nonzero().squeeze(1)
        self.register_buffer("passes", passes)
        self.register_buffer("moves", moves)
        self.register_buffer("back", torch.cat([passes, moves]).argsort(), persistent=False)
        self.register_load_state_dict_post_hook(_renew_places)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        layers = self.net.layers_at_once() if isinstance(self.net, MLP) and context is None else None
        if layers is not None and isinstance(self.transform, WrittenOut):
            return Steered(layers, self.transform, Split(self.passes, self.moves, self.back))(x)
        kept, moved = x.index_select(1, self.passes), x.index_select(1, self.moves)
        h = self._steering(moved, self.net(kept.clamp(-FAR, FAR), context))
        z, log_slope = self.transform(moved, h)
        return self._joined(kept, z), sum_event(log_slope)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        kept, moved = z.index_select(1, self.passes), z.index_select(1, self.moves)
        h = self._steering(moved, self.net(kept.clamp(-FAR, FAR), context))
        x, log_slope = self.transform.inverse(moved, h)
        return self._joined(kept, x), sum_event(log_slope)

    def flaw(self) -> str:
        if is_permutation(torch.cat([self.passes, self.moves])):
            return ""
        return "what passes and what moves are not, together, each place once"

    def _steering(self, moved: Tensor, out: Tensor) -> Tensor:
        """(B, M, ..., params)"""
        h = out.to(moved.dtype)
        return h.reshape(len(h), self.transform.params, *moved.shape[1:]).movedim(1, -1)

    def _joined(self, kept: Tensor, moved: Tensor) -> Tensor:
        return torch.cat([kept, moved], dim=1).index_select(1, self.back)

    passes: Tensor
    moves: Tensor
    back: Tensor


def _renew_places(coupling: Coupling, _: object) -> None:
    """After loading, the way back follows from the places that were read."""
    coupling.back.copy_(torch.cat([coupling.passes, coupling.moves]).argsort())


class MaskedCoupling(Bijection):
    """z = x where the mask is 1,  z = f(x; net(x * mask, c)) elsewhere: for patterns, such as the checkerboard.

    Args:
        net: (B, C, ...), context -> (B, params * C, ...), the first parameter of all channels, then the second, ...
        mask: of ones and zeros, broadcasting over (C, ...).
    """

    def __init__(self, net: nn.Module, transform: Transform, mask: Tensor) -> None:
        super().__init__()
        self.net, self.transform = net, transform
        self.register_buffer("mask", mask.to(torch.get_default_dtype()), persistent=False)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, log_slope = self.transform(x, self._steering(x, context))
        return self._chosen(x, z), sum_event(log_slope * (1.0 - self.mask))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        # x and z agree where the mask is 1, so one function serves both directions.
        x, log_slope = self.transform.inverse(z, self._steering(z, context))
        return self._chosen(z, x), sum_event(log_slope * (1.0 - self.mask))

    def _steering(self, passed: Tensor, context: Tensor | None) -> Tensor:
        """(B, C, ..., params)"""
        h: Tensor = self.net(passed.clamp(-FAR, FAR) * self.mask, context).to(passed.dtype)
        return h.reshape(len(h), self.transform.params, *passed.shape[1:]).movedim(1, -1)

    def _chosen(self, passed: Tensor, moved: Tensor) -> Tensor:
        return torch.where(self.mask.bool(), passed, moved)

    mask: Tensor
