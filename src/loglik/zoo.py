"""Names -> builders: the only place that knows every model. A new model is one line here.

Builders are imported when they are called for, so that listing the zoo costs nothing.
"""

import importlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from loglik.arguments.allocations import Allocations
from loglik.arguments.ranges import SEEDS, shown, whole
from loglik.contract import Model
from loglik.errors import UnknownName, UsageError
from loglik.hyperparameters import checked
from loglik.inference.randomness import seeded
from loglik.spaces import Category, Integer, Real, Space

Builder = Callable[..., Model]


@dataclass(frozen=True)
class Entry:
    """One line of the zoo.

    route: the way to a tractable p(x)   models: the kinds of space   cost: of scoring and of sampling one event, in
    passes of the net (D steps: one value after the other, each step a fraction of a pass)   source: the paper
    """

    builder: str | Builder
    route: str
    models: str
    fitted_by: str
    cost: str
    source: str

    def load(self) -> Builder:
        if not isinstance(self.builder, str):
            return self.builder
        module, function = self.builder.split(":")
        builder: Builder = getattr(importlib.import_module(f"loglik.models.{module}"), function)
        return builder


SEQUENCE = 16  # values in a row, from which on labels are taken for a text and levels for a sound
SOFTMAX_LEVELS = 256  # more ordered levels than a softmax is for: sound rather than counts

DISCRETE, DENSITY, ANY = "Integer, Category", "Real, Integer", "Real, Integer, Category"


def _stepwise(builder: str, models: str, source: str) -> Entry:
    """An autoregressive model: one pass of the net scores, a step for each value samples."""
    return Entry(f"autoregressive.{builder}", "autoregressive", models, "gradients", "1 / D steps", source)


# fmt: off
ZOO: dict[str, Entry] = {
    "uniform": Entry("baselines.uniform:uniform", "baseline", DISCRETE, "nothing", "1 / 1", "-"),
    "histogram": Entry("baselines.histogram:histogram", "baseline", DISCRETE, "closed form", "1 / 1", "-"),
    "gaussian": Entry("baselines.gaussian:gaussian", "baseline", DENSITY, "closed form", "1 / 1", "-"),
    "fvsbn": _stepwise("fvsbn:fvsbn", ANY, "Neal 1992"),
    "made": _stepwise("made:made", ANY, "Germain et al. 2015"),
    "char-rnn": _stepwise("char_rnn:char_rnn", ANY, "Karpathy 2015"),
    "pixelcnn": _stepwise("pixelcnn:pixelcnn", "images", "van den Oord et al. 2016"),
    "gated-pixelcnn": _stepwise("gated_pixelcnn:gated_pixelcnn", "images", "van den Oord et al. 2016"),
    "pixelcnn++": _stepwise("pixelcnnpp:pixelcnnpp", "images (Integer)", "Salimans et al. 2017"),
    "row-lstm": _stepwise("row_lstm:row_lstm", "images", "van den Oord et al. 2016"),
    "diagonal-bilstm": _stepwise("diagonal_bilstm:diagonal_bilstm", "images", "van den Oord et al. 2016"),
    "transformer": _stepwise("transformer:transformer", ANY, "Vaswani et al. 2017"),
    "wavenet": _stepwise("wavenet:wavenet", "sequences", "van den Oord et al. 2016"),
    "ride": _stepwise("ride:ride", "images (Real, Integer)", "Theis & Bethge 2015"),
    "realnvp": Entry("flows.realnvp:realnvp", "flow", DENSITY, "gradients", "1 / 1", "Dinh et al. 2017"),
    "nice": Entry("flows.nice:nice", "flow", DENSITY, "gradients", "1 / 1", "Dinh et al. 2014"),
    "glow": Entry("flows.glow:glow", "flow", "images (Real, Integer)", "gradients", "1 / 1", "Kingma & Dhariwal 2018"),
    "maf": Entry("flows.maf:maf", "flow", DENSITY, "gradients", "1 / D steps", "Papamakarios et al. 2017"),
    "iaf": Entry("flows.maf:iaf", "flow", DENSITY, "gradients", "D steps / 1", "Kingma et al. 2016"),
    "nsf": Entry("flows.nsf:nsf", "flow", DENSITY, "gradients", "1 / D steps", "Durkan et al. 2019"),
    "nsf-coupling": Entry("flows.nsf:nsf_coupling", "flow", DENSITY, "gradients", "1 / 1", "Durkan et al. 2019"),
    "cnf": Entry("flows.cnf:cnf", "flow", DENSITY, "gradients", "a solve / a solve", "Chen et al. 2018"),
    "ffjord": Entry("flows.ffjord:ffjord", "flow", DENSITY, "gradients", "a solve / a solve", "Grathwohl et al. 2019"),
    "gmm": Entry("latent.gmm:gmm", "latent", DENSITY, "EM", "1 / 1", "Dempster et al. 1977"),
    "ppca": Entry("latent.ppca:ppca", "latent", DENSITY, "closed form or EM", "1 / 1", "Tipping & Bishop 1999"),
    "vae": Entry("latent.vae:vae", "latent", ANY, "gradients", "K / 1", "Kingma & Welling 2014"),
}
# fmt: on


def build(name: str, space: Space, *, seed: int | None = None, **hyperparameters: Any) -> Model:
    """A new, unfitted model of the zoo for events of `space`.

    Hyperparameters are the builder's keyword-only arguments, each with a default that suits the space; `loglik models
    NAME` lists them.

    Args:
        seed: the same one gives the same weights, and torch's generators are left as they were. Without one, weights
            are drawn from torch's global generator. It is no hyperparameter: the weights themselves are saved.

    Raises:
        UnknownName: no such model or hyperparameter; the nearest ones are proposed.
        UsageError: a value that cannot be, or a space that the model is not for.
        TooLarge: more memory than there is; it is counted before it is taken.

    >>> import itertools, torch, loglik
    >>> model = loglik.build("made", loglik.Integer((4,), levels=3), hidden=(8,), seed=0)
    >>> every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    >>> round(model.log_likelihood(every).exp().sum().item(), 4)
    1.0
    """
    builder = entry(name).load()
    if not isinstance(space, Space):
        raise UsageError(f"Expected a space, such as loglik.Real((2,)), for the events of {name}; got {shown(space)}.")
    if not space.shape:  # data have none either: N single numbers are read as N events of shape (1,)
        raise UsageError(f"Expected events of at least one axis, such as Real((1,)); got {space}. Add an axis.")
    values = checked(builder, name, hyperparameters)
    given = ", ".join(f"{key}={value}" for key, value in values.items())
    what = f"{name} for events of {space}" + (f" with {given}" if given else "")
    draws = nullcontext() if seed is None else seeded(whole("seed", seed, SEEDS))
    with draws, Allocations(what, "Choose smaller hyperparameters, or events of fewer values."):
        model = builder(space, **values)
    model.recipe = {"name": name, "space": space, "hyperparameters": values}
    return model


def entry(name: str) -> Entry:
    if not isinstance(name, str):
        raise UsageError(f"Expected the name of a model, such as 'made'; got {shown(name)}.")
    if name not in ZOO:
        raise UnknownName("model", name, ZOO)
    return ZOO[name]


def register(name: str, builder: Builder, *, route: str = "your own", models: str = "", fitted_by: str = "") -> None:
    """Add a model of your own for this process: then `build`, `compare`, `save` and `load` know it by name.

    >>> import loglik
    >>> from loglik.models.baselines.gaussian import gaussian
    >>> loglik.register("my-gaussian", gaussian)
    >>> loglik.build("my-gaussian", loglik.Real((2,))).claim
    <Claim.EXACT: 0>
    """
    if not isinstance(name, str) or not callable(builder):
        raise UsageError(f"Expected a name and a builder to call; got {shown(name)} and {shown(builder)}.")
    if name in ZOO:
        raise UsageError(f"The zoo has a model called {name!r} already; choose another name.")
    ZOO[name] = Entry(builder, route, models, fitted_by, "", "")


def is_image(space: Space) -> bool:
    return len(space.shape) in (2, 3) and min(space.shape[-2:]) > 1


def is_sequence(space: Space) -> bool:
    """Whether one value follows another, as in text and sound; short vectors may be anything."""
    return len(space.shape) == 1 and space.dims >= SEQUENCE


def is_sound(space: Space) -> bool:
    return isinstance(space, Integer) and is_sequence(space) and space.levels > SOFTMAX_LEVELS


def default_model(space: Space) -> str:
    """What `loglik fit` takes where no model is named."""
    if isinstance(space, Real):
        return "nsf"
    if is_sound(space):
        return "wavenet"
    if isinstance(space, Category) and is_sequence(space):
        return "char-rnn"
    return "pixelcnn" if is_image(space) else "made"


def models_for(space: Space) -> list[str]:
    """What `compare` takes where no models are named: all that suit the space, cheapest first."""
    if is_sound(space):
        return ["uniform", "gaussian", "ppca", "wavenet"]
    if isinstance(space, Category):
        names = ["uniform", "histogram", "made", "vae"] + (["char-rnn"] if is_sequence(space) else [])
    elif isinstance(space, Integer):
        names = ["uniform", "histogram", "gaussian", "ppca", "gmm", "vae", "made", "realnvp", "nsf-coupling"]
    else:
        names = ["gaussian", "ppca", "gmm", "vae", "made", "realnvp", "nsf"]
    if space.dims == 1:
        names = [name for name in names if name != "ppca"]
    return [*names, "pixelcnn"] if is_image(space) and not isinstance(space, Real) else names
