"""The conjugate prior of a linear Gaussian model: what the user states of it, and what follows from the data."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.errors import EmptyData, NotFinite, UsageError
from loglik.ops import KeepsFloat64
from loglik.scales import centre_and_scale


@dataclass(frozen=True)
class PriorChoice:
    """What of a prior is stated, in the units of the data; None: it follows from the data, or from the shapes.

    weight: the mean of W, (P D,) row by row, or (D,) where P = 1.   rows: Lambda_0 counts as so many rows.
    precision: the diagonal of Lambda_0, (P,).   scale: a deviation of eps in each column, (D,) or one for all.
    freedom: nu_0.   known: the deviations of eps where they are known, (D,) or one for all.
    """

    weight: Sequence[float] | None = None
    rows: float = 1.0
    precision: Sequence[float] | None = None
    scale: Sequence[float] | None = None
    freedom: float | None = None
    known: Sequence[float] | None = None


class Prior(KeepsFloat64):
    """W|Sigma ~ matrix normal(W_0, Lambda_0^-1, Sigma),  Sigma ~ inverse Wishart(S_0, nu_0).

    S_0 = (nu_0 - D - 1) diag(scale^2), so that E Sigma = diag(scale^2); by default nu_0 = D + 2, which is weak: Sigma
    has a mean, and no variance. Lambda_0 is diagonal; by default it is worth `rows` rows of contexts as they are seen.

    What is not stated is set from the data: W_0 to the mean of x and slopes of 0, `scale` to the deviations of x. Such
    a prior has seen the rows, and the evidence is an estimate. The centre of contexts, and Lambda_0, follow from the
    contexts alone, which the model does not predict: they make no estimate of it.
    """

    def __init__(self, features: int, dims: int, choice: PriorChoice) -> None:
        super().__init__()
        self.choice, self.features, self.dims = choice, features, dims
        self.freedom = dims + 2.0 if choice.freedom is None else choice.freedom
        if not self.freedom > dims + 1:
            raise UsageError(
                f"Expected freedom > {dims + 1}, the dimensions and one, so that the covariance has a mean; got "
                f"{self.freedom:g}. Leave it out, or give more."
            )
        known = None if choice.known is None else numbers("known", choice.known, dims)
        self.register_buffer("known", known, persistent=False)
        self.from_data = choice.weight is None or (choice.scale is None and choice.known is None)
        weight = torch.zeros(features * dims) if choice.weight is None else choice.weight
        precision = [choice.rows] * features if choice.precision is None else choice.precision
        given = numbers("the prior's mean weights", weight, features * dims).reshape(features, dims)
        self.register_buffer("weight", given)
        self.register_buffer("precision", numbers("precision", precision, features))
        self.register_buffer("scale", numbers("scale", [1.0] if choice.scale is None else choice.scale, dims))
        self.register_buffer("centre", torch.zeros(features - 1, dtype=torch.float64))
        self.register_buffer("constant", torch.tensor(-1))

    def scatter(self) -> Tensor:
        """The diagonal of S_0, (D,)."""
        return (self.freedom - self.dims - 1.0) * self.scale.square()

    @torch.no_grad()
    def measure(self, x: Tensor, context: Tensor | None) -> None:
        """Set from x (N, D) and the features of contexts (N, P-1) what is not stated."""
        if not len(x):
            raise EmptyData("A prior that follows from the data needs events; got none.")
        mean, scale = centre_and_scale(x)
        if not bool(torch.isfinite(mean + scale).all()):
            raise NotFinite("Expected finite values; got NaN or an infinity in the data.")
        if context is not None:
            centre, spread = centre_and_scale(context)
            self.centre.copy_(centre)
            if self.choice.precision is None:
                self.precision[1:] = self.choice.rows * varying(spread).square()
        if self.choice.weight is None:
            self.weight[0] = mean
        if self.choice.scale is None and self.choice.known is None:
            constant = (scale == 0).nonzero().flatten()
            self.constant.fill_(int(constant[0]) if len(constant) else -1)
            self.scale.copy_(varying(scale))

    @property
    def remark(self) -> str:
        """Where the prior's scale is not the data's."""
        if int(self.constant) < 0:
            return ""
        column = int(self.constant)
        return (
            f"Column {column + 1} does not vary in the rows that the prior follows from, so the prior takes a "
            f"deviation of {float(self.scale[column]):.3g} there. State one with scale=."
        )

    def flaw(self) -> str:
        positive = (self.scale > 0).all() and (self.precision > 0).all()
        return "" if bool(positive) else "a scale or a precision of the prior is not above 0"

    weight: Tensor
    precision: Tensor
    scale: Tensor
    known: Tensor | None
    centre: Tensor
    constant: Tensor


def varying(scale: Tensor) -> Tensor:
    """Scales above 0: one of 0 becomes the mean of the others, and 1 where there is none."""
    varies = scale > 0
    return torch.where(varies, scale, scale[varies].mean() if bool(varies.any()) else 1.0)


def numbers(name: str, values: Sequence[float] | Tensor, size: int) -> Tensor:
    """(size,): the numbers, or one for all."""
    found = torch.as_tensor(values, dtype=torch.float64).flatten()
    if len(found) not in (1, size):
        wanted = "1 number" if size == 1 else f"1 or {size} numbers"
        raise UsageError(f"Expected {wanted} for {name}; got {len(found)}. The prior does not fit the space.")
    return found.expand(size).clone()
