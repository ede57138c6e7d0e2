"""What a net steers in couplings and autoregressive flows: an increasing map of each value by itself."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from loglik.nets.drawing import Drawing


class Transform(nn.Module, ABC):
    """z_d = f(x_d; h_d), increasing in x_d, with `params` numbers h_d that a net gives for each value.

    Shapes are (*any,) for values and (*any, params) for what steers them. In memory the parameters may lie in any
    order; with `params` as the slowest axis ((params, B, D), seen as (B, D, params)) sums over them vectorise.
    """

    params: int
    drawing: Drawing | None = None  # how compiled loops may invert it value by value; None: they have to ask

    @abstractmethod
    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """z and log dz/dx, both of the shape of x."""

    @abstractmethod
    def inverse(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """x and log dx/dz, both of the shape of z."""

    @abstractmethod
    def identity(self) -> Tensor:
        """(params,): the h for which z = x, where nets begin."""
