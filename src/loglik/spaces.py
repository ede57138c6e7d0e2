"""What one event x is. The event space is the data's own space: integers stay integers.

Rescaling, standardising and dequantising are parts of a model, with their log-determinants, never of the data;
so no offset in bits/dim appears anywhere outside a model.
"""

import inspect
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

import torch
from torch import Tensor

from loglik.arguments.ranges import Range, is_number, shown, whole
from loglik.arguments.tensors import tensor_of
from loglik.errors import NotFinite, OutsideSpace, ShapeMismatch, UnknownName, UsageError

SIZES = Range(1, 10**12)
LEVELS = Range(2, 2**53)  # whole numbers that float64 tells apart


class Measure(Enum):
    """What a likelihood on a space is: probability per event, or density with respect to Lebesgue measure."""

    MASS = "mass"
    DENSITY = "density"
    MIXED = "mass and density"  # of events that have values of both kinds


@dataclass(frozen=True)
class Space(ABC):
    """The set of all events; `shape` is one event's shape, without the batch axis.

    The rest of the house asks a space what it needs to know, and never which class it is. A new space is a subclass
    that states its `measure`, whether its values are `ordered`, their `limits`, and how events are read (`events`),
    conditioned on (`features`, `width`), checked (`check`), drawn (`draw`) and changed (`other`).
    """

    shape: tuple[int, ...]
    measure: ClassVar[Measure]
    ordered: ClassVar[bool]  # whether nearer values are more alike; labels have no order

    def __post_init__(self) -> None:
        sizes = tuple(whole("each size of a space's shape", size, SIZES) for size in _sizes(self.shape))
        object.__setattr__(self, "shape", sizes)
        if math.prod(sizes) > SIZES.high:
            raise UsageError(f"Expected events of at most {SIZES.high:g} values; got the shape {sizes}.")

    @property
    def dims(self) -> int:
        """D, the number of values in one event."""
        return math.prod(self.shape)

    @abstractmethod
    def events(self, x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """A batch (B, *shape) as models read it: checked; reals in `dtype`, discrete values as int64."""

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """(B, *shape) -> (B, width), float64: the values as numbers for a net, when they condition p(x|c)."""

    @property
    @abstractmethod
    def width(self) -> int:
        """The length of `features` of one event."""

    @abstractmethod
    def check(self, x: Tensor) -> None:
        """Raises ShapeMismatch, NotFinite or OutsideSpace unless all x (B, *shape) are events of this space."""

    @abstractmethod
    def draw(self, n: int, *, device: torch.device | None = None) -> Tensor:
        """n events at random (n, *shape), anywhere in the space: what laws and probes start from."""

    @abstractmethod
    def other(self, x: Tensor) -> Tensor:
        """(B, *shape) -> events (B, *shape) that differ from x in every value, at random."""

    @property
    def limits(self) -> tuple[int, int] | None:
        """The least and the greatest whole number that a value may be; None for reals."""
        return None

    @property
    def dtype(self) -> torch.dtype:
        """The smallest type that keeps every value."""
        return torch.float64

    @property
    def image(self) -> tuple[int, int, int] | None:
        """(C, H, W) if events can be read as images, (H, W) or (C, H, W)."""
        if len(self.shape) not in (2, 3):
            return None
        channels, height, width = (1, *self.shape)[-3:]
        return channels, height, width

    @property
    def pictured(self) -> bool:
        """Whether events are taken for images unless somebody says otherwise: more than one row and column."""
        return self.image is not None and min(self.image[1:]) > 1

    def check_shape(self, x: Tensor) -> None:
        if tuple(x.shape[1:]) != self.shape or x.ndim == 0:
            raise ShapeMismatch(
                f"Expected events of shape {self.shape} in a batch, {('B', *self.shape)}; got {tuple(x.shape)}. "
                "There is always exactly one leading batch axis."
            )

    def to_json(self) -> dict[str, Any]:
        fields = {k: list(v) if isinstance(v, tuple) else v for k, v in self.__dict__.items()}
        return {"kind": type(self).__name__, **fields}


@dataclass(frozen=True)
class Real(Space):
    """Real values; likelihoods are densities, in nats per event.

    >>> Real((2, 3)).events([[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]]).shape
    torch.Size([1, 2, 3])
    """

    measure = Measure.DENSITY
    ordered = True

    def check(self, x: Tensor) -> None:
        self.check_shape(x)
        if not bool(torch.isfinite(x).all()):
            raise NotFinite(f"Expected finite numbers for events of {self}; got NaN or an infinity.")

    def draw(self, n: int, *, device: torch.device | None = None) -> Tensor:
        return torch.randn(n, *self.shape, dtype=torch.float64, device=device)

    def other(self, x: Tensor) -> Tensor:
        return x + torch.where(torch.rand_like(x) < 0.5, -1.0, 1.0) * (0.5 + torch.rand_like(x))

    def events(self, x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        x = tensor_of(x, "the events")
        self.check_shape(x)
        return x.to(dtype)

    def features(self, x: Tensor) -> Tensor:
        values = self.events(x, torch.float64)
        return values.reshape(len(values), self.dims)

    @property
    def width(self) -> int:
        return self.dims

    def __str__(self) -> str:
        return f"Real{self.shape}"


@dataclass(frozen=True)
class Discrete(Space):
    """What Integer and Category share: values 0..levels-1, likelihoods that are probabilities."""

    levels: int
    measure = Measure.MASS

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "levels", whole("the levels of a discrete space", self.levels, LEVELS))

    @property
    def limits(self) -> tuple[int, int]:
        return 0, self.levels - 1

    @property
    def dtype(self) -> torch.dtype:
        return torch.uint8 if self.levels <= 256 else torch.int64

    def check(self, x: Tensor) -> None:
        self.check_shape(x)
        if x.numel():
            self.check_levels(x)

    def draw(self, n: int, *, device: torch.device | None = None) -> Tensor:
        return torch.randint(self.levels, (n, *self.shape), device=device)

    def other(self, x: Tensor) -> Tensor:
        return (x.long() + torch.randint_like(x.long(), 1, self.levels)) % self.levels

    def events(self, x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        x = tensor_of(x, "the events")
        self.check_shape(x)
        # Reading the extremes of a CUDA tensor would wait for the device; there the data boundary has checked.
        if x.device.type == "cpu" and not torch.compiler.is_compiling() and x.numel():
            self.check_levels(x)
        return x.long()

    def check_levels(self, x: Tensor) -> None:
        if x.dtype == torch.bool:
            return
        if x.is_floating_point():
            if not bool(torch.isfinite(x).all()):
                raise NotFinite(f"Expected whole numbers 0..{self.levels - 1}; got NaN or an infinity.")
            if not bool((x == x.floor()).all()):
                raise OutsideSpace(f"Expected whole numbers 0..{self.levels - 1}; got fractions. Use Real for them.")
        low, high = (int(v) for v in torch.aminmax(x))
        if low < 0 or high >= self.levels:
            raise OutsideSpace(
                f"Expected whole numbers 0..{self.levels - 1} ({self.levels} levels); got values from {low} to {high}."
            )

    def __str__(self) -> str:
        return f"{type(self).__name__}{self.shape} with {self.levels} levels"


@dataclass(frozen=True)
class Integer(Discrete):
    """Ordered levels 0..levels-1: pixels, counts, binary values with levels=2.

    >>> Integer((3,), levels=4).events([[0, 3, 1]])
    tensor([[0, 3, 1]])
    >>> Integer((3,), levels=4).events([[0, 4, 1]])
    Traceback (most recent call last):
    loglik.errors.OutsideSpace: Expected whole numbers 0..3 (4 levels); got values from 0 to 4.
    """

    ordered = True

    def features(self, x: Tensor) -> Tensor:
        scaled = self.events(x).double() * (2.0 / (self.levels - 1)) - 1.0
        return scaled.reshape(len(scaled), self.dims)

    @property
    def width(self) -> int:
        return self.dims


@dataclass(frozen=True)
class Category(Discrete):
    """Unordered labels 0..levels-1: characters, classes, mu-law codes.

    >>> Category((1,), levels=3).features([[2]])
    tensor([[0., 0., 1.]], dtype=torch.float64)
    """

    ordered = False

    def features(self, x: Tensor) -> Tensor:
        one_hot = torch.nn.functional.one_hot(self.events(x), self.levels)
        return one_hot.double().reshape(len(one_hot), self.width)

    @property
    def width(self) -> int:
        return self.dims * self.levels


def _sizes(shape: Any) -> tuple[Any, ...]:
    """A single number is taken for a vector's length."""
    if is_number(shape):
        return (shape,)
    if isinstance(shape, str | bytes | dict | set) or not hasattr(shape, "__iter__"):
        raise UsageError(f"Expected the shape of one event, such as (3, 32, 32); got {shown(shape)}.")
    return tuple(shape)


def kinds_of_space() -> dict[str, type[Space]]:
    """Every kind of space that is defined, by name."""
    return {kind.__name__: kind for kind in _below(Space) if not inspect.isabstract(kind) and kind is not Discrete}


def space_from_json(fields: dict[str, Any]) -> Space:
    """The inverse of `Space.to_json`."""
    kinds = kinds_of_space()
    kind, rest = fields["kind"], {k: v for k, v in fields.items() if k != "kind"}
    if kind not in kinds:
        raise UnknownName("kind of space", kind, kinds)
    return kinds[kind](**{**rest, "shape": tuple(rest["shape"])})


def _below(kind: Any) -> list[type[Space]]:
    children: list[type[Space]] = kind.__subclasses__()
    return [found for child in children for found in (child, *_below(child))]
