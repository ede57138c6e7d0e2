"""Autoregressive flows: every value is moved by what a masked net says of the values before it.

Papamakarios, Pavlakou, Murray 2017, Masked Autoregressive Flow for Density Estimation, arXiv:1705.07057; Kingma et al.
2016, Improving Variational Inference with Inverse Autoregressive Flow, arXiv:1606.04934.
"""

import torch
from torch import Tensor

from loglik.bijections.transform import Transform
from loglik.contract import Bijection
from loglik.nets.masked import MaskedMLP


class MaskedAutoregressive(Bijection):
    """z_o(i) = f(x_o(i); h_i(x_o(<i), c)),  o the order of the net, for vectors (B, D).

    Forward is one pass of the net, for all x are known. Back again, values come one after the other in the order o;
    the net keeps what it has computed, so that they cost about one pass together.

    Args:
        net: (B, D, 1), context (B, C) or None -> (B, D, transform.params); it is made to begin at the identity.
    """

    def __init__(self, net: MaskedMLP, transform: Transform) -> None:
        super().__init__()
        self.net, self.transform = net, transform
        net.start(transform.identity().expand(len(net.degrees.values), -1))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, log_slope = self.transform(x, self.net(x.unsqueeze(-1), context))
        return z, log_slope.sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        order = self.net.degrees.order
        with torch.no_grad():
            noise = z.detach()[:, order].T.unsqueeze(-1)
            steps = self.net.steps(len(z), context)
            in_order = steps.run(Inverting(self.transform), noise, noise.new_empty(0, len(z))).T
        x = torch.empty_like(in_order)
        x[:, order] = in_order
        return x, -self(x, context)[1]


class Inverting:
    """The inverse of a transform as a drawing of values: its noise is z."""

    def __init__(self, transform: Transform) -> None:
        self.transform, self.drawing = transform, transform.drawing

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return x.unsqueeze(-1)

    def sample(self, params: Tensor, noise: Tensor) -> Tensor:
        return self.transform.inverse(noise.squeeze(-1), params)[0]
