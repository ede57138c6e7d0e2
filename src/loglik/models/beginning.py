"""The beginning of events: as events of their own, and as what samples are to begin with."""

from dataclasses import replace

import torch
from torch import Tensor

from loglik.contract import Claim, ExactModel, Model
from loglik.errors import ShapeMismatch


class Beginning(ExactModel):
    """The first `length` of the T values of a sequence, as events of their own, under a model of all T.

        p(x_1 .. x_k) = sum or integral over x_k+1 .. x_T of p(x),

    the model's `log_marginal`, which has to be exact for a beginning. A sentence shorter than a model's window is
    scored so. Samples are the beginnings of samples.
    """

    def __init__(self, whole: Model, length: int) -> None:
        super().__init__(replace(whole.space, shape=(length,)), whole.context, whole.dtype)
        self.whole = whole

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, k) -> (B,): log p of the beginning, whatever follows."""
        x = self.events(x, context)
        return self.whole.log_marginal(self._whole(x), self._whole(torch.ones_like(x, dtype=torch.bool)), context)

    def conditions(self, observed: Tensor) -> Claim | None:
        return self.whole.conditions(self._whole(observed))

    def log_marginal(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        return self.whole.log_marginal(self._whole(x), self._whole(self.masks(observed, x)), context)

    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        drawn = self.whole.sample_given(self._whole(x), self._whole(self.masks(observed, x)), context)
        return drawn[:, : self.space.dims]

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return self.whole.sample(n, context)[:, : self.space.dims]

    @property
    def guided(self) -> bool:
        return self.whole.guided

    @property
    def unguided(self) -> str:
        return self.whole.unguided

    @property
    def lengthens(self) -> bool:
        return self.whole.lengthens

    def sample_guided(
        self, n: int, context: Tensor | None = None, *, given: Tensor | None = None, temperature: float = 1.0,
        top_k: int | None = None, length: int | None = None,
    ) -> Tensor:  # fmt: skip
        """As the whole model; without a length, the beginnings of its samples."""
        if given is not None and length is None:
            padded(given, n, self.space.shape)  # no more values than a beginning has
        x = self.whole.sample_guided(n, context, given=given, temperature=temperature, top_k=top_k, length=length)
        return x if length is not None else x[:, : self.space.dims]

    @property
    def shortens(self) -> bool:
        return self.whole.shortens

    def shortened(self, length: int) -> Model:
        return self.whole.shortened(length)

    def _whole(self, x: Tensor) -> Tensor:
        """(B, k) -> (B, T): 0, or not observed, beyond the beginning."""
        return torch.cat([x, x.new_zeros(len(x), self.whole.space.dims - x.shape[1])], dim=1)


def padded(given: Tensor, n: int, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The beginning of n events, (n, ...) or (1, ...) for all, as whole events (n or 1, *shape) that end in zeros.

    And which places it fills, (*shape) bool. It is cut along time (T,), or along the rows of (H, W) or (C, H, W).

    Raises:
        ShapeMismatch: what is given is no beginning of such events.
    """
    axis = cut_axis(shape)
    part = tuple(given.shape[1:])
    fits = len(part) == len(shape) and part[:axis] == shape[:axis] and part[axis + 1 :] == shape[axis + 1 :]
    if not fits or len(given) not in (1, n) or part[axis] > shape[axis]:
        raise ShapeMismatch(
            f"Expected the beginning of {n} events (or of 1 for all) of shape {shape}, cut along axis {axis}; "
            f"got {tuple(given.shape)}."
        )
    whole = given.new_zeros(len(given), *shape)
    whole.narrow(axis + 1, 0, part[axis]).copy_(given)
    known = torch.zeros(shape, dtype=torch.bool, device=given.device)
    known.narrow(axis, 0, part[axis]).fill_(True)
    return whole, known


def cut_axis(shape: tuple[int, ...]) -> int:
    """The axis of events (T,), (H, W) or (C, H, W) along which a beginning is cut."""
    return 1 if len(shape) == 3 else 0
