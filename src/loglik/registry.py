"""What the zoo knows of a model before it is built: one entry, whose fields tests hold against the model itself."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from importlib.metadata import EntryPoint, entry_points

from loglik.arguments.ranges import shown
from loglik.contract import FittedBy, Model
from loglik.errors import UsageError
from loglik.spaces import Category, Integer, Real, Space

Builder = Callable[..., Model]
GROUP = "loglik.models"  # entry points of other packages: NAME = "package.module:what", an Entry or a builder
SEQUENCE = 16  # values in a row, from which on labels are taken for a text and levels for a sound
SOFTMAX_LEVELS = 256  # more ordered levels than a softmax is for: sound rather than counts


class Route(StrEnum):
    """The way to a tractable p(x)."""

    BASELINE = "baseline"
    AUTOREGRESSIVE = "autoregressive"  # prod_i p(x_i | x_<i)
    FLOW = "flow"  # p(z) |det dz/dx|
    LATENT = "latent"  # int p(x|z) p(z) dz
    BAYES = "Bayes"  # int p(x|theta) p(theta|X) dtheta
    YOUR_OWN = "your own"


class Cost(StrEnum):
    """Of one event, in passes of the net."""

    PASS = "1"
    STEPS = "D steps"  # one value after the other, each step a fraction of a pass
    SOLVE = "a solve"  # of a differential equation
    DRAWS = "K"  # one for each importance sample
    UNKNOWN = ""


class Layout(StrEnum):
    """The shapes of event that a model is for."""

    ANY = ""
    IMAGES = "images"
    SEQUENCES = "sequences"


class Kind(Enum):
    """What data look like from their space: what `compare` offers by default depends on it."""

    REALS = "reals"
    LEVELS = "ordered levels, such as counts"
    PIXELS = "images of levels"
    SOUND = "long sequences of many levels"
    LABELS = "labels"
    MAPS = "images of labels"
    TEXT = "long sequences of labels"


def kind_of(space: Space) -> Kind:
    sequence = len(space.shape) == 1 and space.dims >= SEQUENCE
    if space.limits is None:
        return Kind.REALS
    if not space.ordered:
        return Kind.TEXT if sequence else Kind.MAPS if space.pictured else Kind.LABELS
    if sequence and space.limits[1] >= SOFTMAX_LEVELS:
        return Kind.SOUND
    return Kind.PIXELS if space.pictured else Kind.LEVELS


@dataclass(frozen=True)
class Entry:
    """One line of the zoo, or of a package with models of its own.

    builder: a function of the space whose keyword-only arguments are the hyperparameters, or "module:function" below
        `loglik.models`
    route: the way to a tractable p(x)
    spaces: the kinds of space. layout, least_dims: the shapes and the fewest values of the events that it is for
    fitted_by: how `fit` finds the parameters of the default model
    scoring, sampling: what one event costs
    offered: the kinds of data for which `compare` takes the model where none is named
    source: the paper

    >>> from loglik.models.baselines.gaussian import gaussian
    >>> mine = Entry(gaussian, spaces=(Real,), fitted_by=FittedBy.CLOSED_FORM)
    >>> mine.takes(Real((3,))), mine.takes(Category((3,), levels=2))
    (True, False)
    """

    builder: str | Builder
    route: Route = Route.YOUR_OWN
    spaces: tuple[type[Space], ...] = (Real, Integer, Category)
    layout: Layout = Layout.ANY
    least_dims: int = 1
    fitted_by: FittedBy = FittedBy.GRADIENTS
    scoring: Cost = Cost.UNKNOWN
    sampling: Cost = Cost.UNKNOWN
    offered: frozenset[Kind] = frozenset()
    source: str = "-"

    def load(self) -> Builder:
        """The builder, imported when it is called for, so that listing the zoo costs nothing."""
        if not isinstance(self.builder, str):
            return self.builder
        module, function = self.builder.split(":")
        builder: Builder = getattr(importlib.import_module(f"loglik.models.{module}"), function)
        return builder

    def takes(self, space: Space) -> bool:
        """Whether the model is for events of this space."""
        shapes = {Layout.ANY: True, Layout.IMAGES: space.image is not None, Layout.SEQUENCES: len(space.shape) == 1}
        return type(space) in self.spaces and shapes[self.layout] and space.dims >= self.least_dims

    @property
    def models(self) -> str:
        """The spaces in words: "images (Real, Integer)"."""
        kinds = ", ".join(kind.__name__ for kind in self.spaces)
        if self.layout is Layout.ANY:
            return kinds
        return str(self.layout) if len(self.spaces) == len(Entry.spaces) else f"{self.layout} ({kinds})"

    @property
    def cost(self) -> str:
        """Of scoring and of sampling, in words: "1 / D steps"."""
        return f"{self.scoring} / {self.sampling}" if self.scoring else ""


def checked_entry(name: str, entry: object, origin: str) -> Entry:
    """`entry`, or the entry of a builder alone.

    Raises:
        UsageError: a field of another type, named.
    """
    if not isinstance(entry, Entry) and callable(entry):
        entry = Entry(entry)
    if not isinstance(entry, Entry):
        raise UsageError(
            f"Expected a builder or a loglik.Entry for the model {name!r} of {origin}; got {shown(entry)}."
        )
    kinds = {"route": Route, "layout": Layout, "fitted_by": FittedBy, "scoring": Cost, "sampling": Cost}
    for field, kind in kinds.items():
        if not isinstance(value := getattr(entry, field), kind):
            choices = ", ".join(f"{kind.__name__}.{one.name}" for one in kind)
            raise UsageError(f"Expected {field} of the model {name!r} to be one of {choices}; got {shown(value)}.")
    if not callable(entry.builder) and ":" not in str(entry.builder):
        raise UsageError(f"Expected a builder to call for the model {name!r}; got {shown(entry.builder)}.")
    return entry


def installed() -> dict[str, EntryPoint]:
    """The models that other installed packages offer, by name; nothing of them is imported yet."""
    return {point.name: point for point in entry_points(group=GROUP)}


def imported(point: EntryPoint) -> Entry:
    """The entry that an installed package states.

    Raises:
        UsageError: the package cannot be imported, or states something else.
    """
    origin = f"{point.value} (package {point.dist.name if point.dist else '?'})"
    try:
        found = point.load()
    except Exception as error:
        raise UsageError(
            f"Expected the model {point.name!r} at {origin}; importing it failed: {type(error).__name__}: {error}. "
            "Mend or uninstall the package."
        ) from error
    return checked_entry(point.name, found, origin)
