"""Mistakes in splines and in the matrices between them: each breaks one law, and the law must say so."""

from collections.abc import Callable
from typing import Any

import torch
from mutating import mutated
from torch import Tensor

from cases import Case
from loglik.bijections.linear import Linear
from loglik.bijections.spline.transform import Spline
from loglik.contract import Model
from loglik.spaces import Real

Moved = tuple[Tensor, Tensor]
NARROW = {"hidden": (8,), "layers": 2, "bins": 4, "bound": 1.0}  # narrow enough for values outside
PLANE = Case("nsf", Real((2,)), NARROW)
COUPLED = Case("nsf-coupling", Real((2,)), NARROW)


def turned_log_slopes() -> Model:
    def turned(self: Spline, sound: Any, x: Tensor, h: Tensor) -> Moved:
        z, log_slope = sound(self, x, h)
        return z, -log_slope

    return mutated(PLANE, Spline, forward=turned, inverse=turned)


def knots_out_of_order() -> Model:
    """Heights that are not sorted: the curve falls between two of them."""

    def falling(self: Spline, sound: Any, x: Tensor, h: Tensor) -> Moved:
        z, log_slope = sound(self, x, h)
        return torch.where((z > 0.0) & (z < 0.5), 0.5 - z, z), log_slope

    return mutated(PLANE, Spline, forward=falling)


def held_at_the_bound() -> Model:
    """Values outside are moved to the bound, where the line should begin."""

    def held(self: Spline, sound: Any, x: Tensor, h: Tensor) -> Moved:
        z, log_slope = sound(self, x, h)
        return z.clamp(-self.bins.bound, self.bins.bound), log_slope

    return mutated(COUPLED, Spline, forward=held)


def slope_of_the_last_bin_outside() -> Model:
    def counted(self: Spline, sound: Any, x: Tensor, h: Tensor) -> Moved:
        bound = self.bins.bound
        return sound(self, x, h)[0], sound(self, x.clamp(-0.9 * bound, 0.9 * bound), h)[1]

    return mutated(COUPLED, Spline, forward=counted)


def matrix_without_log_det() -> Model:
    def silent(self: Linear, sound: Any, x: Tensor, context: Tensor | None = None) -> Moved:
        z, log_det = sound(self, x, context)
        return z, 0.0 * log_det

    return mutated(PLANE, Linear, forward=silent, inverse=silent)


def matrix_with_one_log_det_for_both_ways() -> Model:
    def same(self: Linear, sound: Any, z: Tensor, context: Tensor | None = None) -> Moved:
        x, log_det = sound(self, z, context)
        return x, -log_det

    return mutated(COUPLED, Linear, inverse=same)


MISTAKES: dict[str, tuple[str, Callable[[], Model]]] = {
    "log slopes with the wrong sign": ("log-determinant", turned_log_slopes),
    "a spline whose knots are out of order": ("inverse", knots_out_of_order),
    "a spline that ends at its bound": ("inverse", held_at_the_bound),
    "the last bin's slope outside": ("log-determinant", slope_of_the_last_bin_outside),
    "a matrix without its log-det": ("log-determinant", matrix_without_log_det),
    "a matrix without its log-det, mass": ("total mass", matrix_without_log_det),
    "a matrix whose log-det is not turned back": ("inverse", matrix_with_one_log_det_for_both_ways),
}
