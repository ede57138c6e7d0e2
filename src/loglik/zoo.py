"""Names -> builders: the only place that knows every model. A new model is one line here.

Models of other packages are known by the same line, through the entry points "loglik.models".
"""

import warnings
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import torch

from loglik.arguments.allocations import Allocations
from loglik.arguments.ranges import SEEDS, shown, whole
from loglik.contract import FittedBy, Model
from loglik.errors import FitWarning, LoglikError, UnknownName, UsageError
from loglik.hyperparameters import checked
from loglik.inference.gaps import LEARNS_GAPS, LEAVES_OUT, named_by
from loglik.inference.randomness import seeded
from loglik.registry import Builder, Cost, Entry, Kind, Layout, Route, checked_entry, imported, installed, kind_of
from loglik.spaces import Category, Integer, Real, Space

Spaces = tuple[type[Space], ...]

DISCRETE, ORDERED, ANY = (Integer, Category), (Real, Integer), (Real, Integer, Category)
LEVELS, LABELS = {Kind.LEVELS, Kind.PIXELS}, {Kind.LABELS, Kind.MAPS, Kind.TEXT}
RANKS = {FittedBy.NOTHING: 0, FittedBy.CLOSED_FORM: 1, FittedBy.EM: 2, FittedBy.GRADIENTS: 3}  # cheapest first


def _baseline(builder: str, spaces: Spaces, fitted_by: FittedBy, offered: set[Kind]) -> Entry:
    return Entry(
        f"baselines.{builder}", Route.BASELINE, spaces, fitted_by=fitted_by, scoring=Cost.PASS, sampling=Cost.PASS,
        offered=frozenset(offered),
    )  # fmt: skip


def _stepwise(builder: str, source: str, *offered: Kind, spaces: Spaces = ANY, layout: Layout = Layout.ANY) -> Entry:
    """An autoregressive model: one pass of the net scores, a step for each value samples."""
    return Entry(
        f"autoregressive.{builder}", Route.AUTOREGRESSIVE, spaces, layout, scoring=Cost.PASS, sampling=Cost.STEPS,
        offered=frozenset(offered), source=source,
    )  # fmt: skip


def _flow(
    builder: str, source: str, *offered: Kind, scoring: Cost = Cost.PASS, sampling: Cost = Cost.PASS,
    layout: Layout = Layout.ANY,
) -> Entry:  # fmt: skip
    return Entry(
        f"flows.{builder}", Route.FLOW, ORDERED, layout, scoring=scoring, sampling=sampling,
        offered=frozenset(offered), source=source,
    )  # fmt: skip


def _latent(
    builder: str, source: str, *offered: Kind, spaces: Spaces = ORDERED, fitted_by: FittedBy = FittedBy.EM,
    scoring: Cost = Cost.PASS, least_dims: int = 1,
) -> Entry:  # fmt: skip
    return Entry(
        f"latent.{builder}", Route.LATENT, spaces, least_dims=least_dims, fitted_by=fitted_by, scoring=scoring,
        sampling=Cost.PASS, offered=frozenset(offered), source=source,
    )  # fmt: skip


def _bayes(
    builder: str, source: str, *, spaces: Spaces = ORDERED, fitted_by: FittedBy = FittedBy.CLOSED_FORM
) -> Entry:  # fmt: skip
    """A model whose parameters are integrated over."""
    return Entry(
        f"bayes.{builder}", Route.BAYES, spaces, fitted_by=fitted_by, scoring=Cost.PASS, sampling=Cost.PASS,
        source=source,
    )  # fmt: skip


IMAGES, SEQUENCES, CLOSED_FORM = Layout.IMAGES, Layout.SEQUENCES, FittedBy.CLOSED_FORM

# fmt: off
ZOO: dict[str, Entry] = {
    "uniform": _baseline("uniform:uniform", DISCRETE, FittedBy.NOTHING, LEVELS | LABELS | {Kind.SOUND}),
    "histogram": _baseline("histogram:histogram", DISCRETE, CLOSED_FORM, LEVELS | LABELS),
    "gaussian": _baseline("gaussian:gaussian", ORDERED, CLOSED_FORM, LEVELS | {Kind.REALS, Kind.SOUND}),
    "fvsbn": _stepwise("fvsbn:fvsbn", "Neal 1992"),
    "made": _stepwise("made.model:made", "Germain et al. 2015", Kind.REALS, *LEVELS, *LABELS),
    "char-rnn": _stepwise("char_rnn.model:char_rnn", "Karpathy 2015", Kind.TEXT),
    "pixelcnn": _stepwise("pixelcnn:pixelcnn", "van den Oord et al. 2016", Kind.PIXELS, Kind.MAPS, layout=IMAGES),
    "gated-pixelcnn": _stepwise("gated_pixelcnn:gated_pixelcnn", "van den Oord et al. 2016", layout=IMAGES),
    "pixelcnn++": _stepwise("pixelcnnpp.model:pixelcnnpp", "Salimans et al. 2017", spaces=(Integer,), layout=IMAGES),
    "row-lstm": _stepwise("pixelrnn.model:row_lstm", "van den Oord et al. 2016", layout=IMAGES),
    "diagonal-bilstm": _stepwise("pixelrnn.model:diagonal_bilstm", "van den Oord et al. 2016", layout=IMAGES),
    "transformer": _stepwise("transformer.model:transformer", "Vaswani et al. 2017"),
    "wavenet": _stepwise("wavenet.model:wavenet", "van den Oord et al. 2016", Kind.SOUND, layout=SEQUENCES),
    "ride": _stepwise("ride.model:ride", "Theis & Bethge 2015", spaces=ORDERED, layout=IMAGES),
    "realnvp": _flow("realnvp:realnvp", "Dinh et al. 2017", Kind.REALS, *LEVELS),
    "realnvp-images": _flow("realnvp:realnvp_images", "Dinh et al. 2017", layout=IMAGES),
    "nice": _flow("nice:nice", "Dinh et al. 2014"),
    "glow": _flow("glow:glow", "Kingma & Dhariwal 2018", layout=IMAGES),
    "maf": _flow("maf:maf", "Papamakarios et al. 2017", sampling=Cost.STEPS),
    "iaf": _flow("maf:iaf", "Kingma et al. 2016", scoring=Cost.STEPS),
    "nsf": _flow("nsf:nsf", "Durkan et al. 2019", Kind.REALS, sampling=Cost.STEPS),
    "nsf-coupling": _flow("nsf:nsf_coupling", "Durkan et al. 2019", *LEVELS),
    "cnf": _flow("cnf:cnf", "Chen et al. 2018", scoring=Cost.SOLVE, sampling=Cost.SOLVE),
    "ffjord": _flow("ffjord:ffjord", "Grathwohl et al. 2019", scoring=Cost.SOLVE, sampling=Cost.SOLVE),
    "ffjord-images": _flow(
        "ffjord:ffjord_images", "Grathwohl et al. 2019", scoring=Cost.SOLVE, sampling=Cost.SOLVE, layout=IMAGES,
    ),
    "gmm": _latent("gmm.builder:gmm", "Dempster et al. 1977", Kind.REALS, *LEVELS),
    "deep-gmm": _latent("deep_gmm.model:deep_gmm", "van den Oord & Schrauwen 2014"),
    "ppca": _latent(
        "ppca:ppca", "Tipping & Bishop 1999", Kind.REALS, Kind.SOUND, *LEVELS, fitted_by=CLOSED_FORM, least_dims=2,
    ),
    "mppca": _latent("mppca:mppca", "Tipping & Bishop 1999", least_dims=2),
    "factor-analysis": _latent(
        "factor_analysis.model:factor_analysis", "Rubin & Thayer 1982", Kind.REALS, fitted_by=CLOSED_FORM, least_dims=2,
    ),
    "vae": _latent(
        "vae:vae", "Kingma & Welling 2014", Kind.REALS, *LEVELS, *LABELS, spaces=ANY, fitted_by=FittedBy.GRADIENTS,
        scoring=Cost.DRAWS,
    ),
    "bayes-histogram": _bayes("bayes_histogram:bayes_histogram", "Laplace 1774", spaces=DISCRETE),
    "bayes-gaussian": _bayes("bayes_gaussian:bayes_gaussian", "Geisser & Cornfield 1963"),
    "bayes-gmm": _bayes("bayes_gmm:bayes_gmm", "Corduneanu & Bishop 2001", spaces=(Real,), fitted_by=FittedBy.EM),
    "bayes-linear": _bayes("bayes_linear:bayes_linear", "Minka 2000"),
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
    for key in hyperparameters:
        if f"{name}-{key}" in ZOO:
            raise UsageError(f"Expected the model `{name}-{key}` for {key}; got {key} of {name}. Build that one.")
    values = checked(builder, name, hyperparameters)
    given = ", ".join(f"{key}={value}" for key, value in values.items())
    what = f"{name} for events of {space}" + (f" with {given}" if given else "")
    draws = nullcontext() if seed is None else seeded(whole("seed", seed, SEEDS))
    with draws, Allocations(what, "Choose smaller hyperparameters, or events of fewer values."):
        model = builder(space, **values)
    model.recipe = {"name": name, "space": space, "hyperparameters": values}
    return model


def entry(name: str) -> Entry:
    """What is known of a model by name, of this package, registered, or of an installed one.

    Raises:
        UnknownName: the nearest names are proposed.
    """
    if not isinstance(name, str):
        raise UsageError(f"Expected the name of a model, such as 'made'; got {shown(name)}.")
    if name in ZOO:
        return ZOO[name]
    others = installed()
    if name not in others:
        raise UnknownName("model", name, [*ZOO, *others])
    ZOO[name] = imported(others[name])
    return ZOO[name]


def every_entry() -> dict[str, Entry]:
    """All models by name; those of other packages are imported for it, and left out with a warning if that fails."""
    for name in installed():
        try:
            entry(name)
        except UsageError as error:
            warnings.warn(str(error), FitWarning, stacklevel=2)
    return dict(ZOO)


def register(name: str, builder: Builder | Entry) -> None:
    """Add a model of your own for this process: then `build`, `fit`, `compare`, `save` and `load` know it by name.

    Args:
        builder: a function of the space whose keyword-only arguments are the hyperparameters; or an `Entry`, which also
            says for which spaces the model is, what it costs, and for which data `compare` offers it.

    Raises:
        UsageError: a name that is taken, or a field of the entry that cannot be.

    >>> import loglik
    >>> from loglik.models.baselines.gaussian import gaussian
    >>> loglik.register("my-gaussian", gaussian)
    >>> loglik.build("my-gaussian", loglik.Real((2,))).claim
    <Claim.EXACT: 0>
    """
    if not isinstance(name, str) or not name:
        raise UsageError(f"Expected a name and a builder to call; got {shown(name)} and {shown(builder)}.")
    if name in ZOO or name in installed():
        raise UsageError(f"The zoo has a model called {name!r} already; choose another name.")
    ZOO[name] = checked_entry(name, builder, "register")


@lru_cache(maxsize=8)
def models_for_gaps(space: Space) -> dict[str, list[str]]:
    """What takes events of which values are missing, by what it does with them; of the models that are cheap to build,
    those fitted in passes."""
    named: dict[str, list[str]] = {LEAVES_OUT: [], LEARNS_GAPS: []}
    some = (torch.arange(space.dims) == 0).reshape(1, *space.shape)
    for name, found in every_entry().items():
        if not found.fitted_by.in_passes or not found.takes(space):
            continue
        try:
            model = build(name, space, seed=0)
        except LoglikError:
            continue
        named[LEAVES_OUT] += [name] if model.conditions(some) is not None else []
        named[LEARNS_GAPS] += [name] if model.learns_gaps else []
    return named


for _question in (LEAVES_OUT, LEARNS_GAPS):
    named_by[_question] = lambda space, asked=_question: models_for_gaps(space)[asked]  # type: ignore[misc]


def default_model(space: Space, *, gaps: bool = False) -> str:
    """What `loglik fit` takes where no model is named; with `gaps` some values of the rows are missing."""
    if gaps:
        return "gmm"
    defaults = {
        Kind.REALS: "nsf", Kind.SOUND: "wavenet", Kind.TEXT: "char-rnn", Kind.PIXELS: "pixelcnn", Kind.MAPS: "pixelcnn",
    }  # fmt: skip
    return defaults.get(kind_of(space), "made")


def models_for(space: Space) -> list[str]:
    """What `compare` takes where no models are named: all that are offered for such data, the quickest to fit first."""
    kind = kind_of(space)
    names = [name for name, found in every_entry().items() if kind in found.offered and found.takes(space)]
    return sorted(names, key=lambda name: RANKS[ZOO[name].fitted_by])
