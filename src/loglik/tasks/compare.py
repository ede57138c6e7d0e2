"""Compare models of different families on the same held-out rows."""

import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch

from loglik.arguments.devices import device_of
from loglik.arguments.ranges import SAMPLES as WITHIN
from loglik.arguments.ranges import SEEDS, shown, whole
from loglik.contract import FittedBy, Model
from loglik.data import Dataset, as_source, open_dataset, split_source
from loglik.errors import ContextError, FitWarning, UnknownName, UsageError
from loglik.hyperparameters import hyperparameters, with_defaults
from loglik.inference.evaluate import evaluate, samples_for
from loglik.inference.randomness import seeded
from loglik.promises import check_model
from loglik.records import Record
from loglik.spaces import Real, Space
from loglik.tasks.comparison import SAMPLES, Comparison, Entrant
from loglik.tasks.failures import exit_code, in_words
from loglik.training.fit import check_function, fit
from loglik.training.gradient import Watch
from loglik.training.options import Options, seconds
from loglik.zoo import build, entry, models_for

OF_WHOLE_NUMBERS = ("rescale", "dequantization")  # hyperparameters of flows
MIXTURES = ("logistic-mixture", "mixture", "autoregressive")  # transforms and bases of `components`
LEAST_SECONDS = 0.5  # a fit gets this much, even where the budget is used up


def compare(
    models: Sequence[str | Model] | Mapping[str, str | Model] | None,
    data: object,
    *,
    keep_equal_rows_together: bool = False,
    budget: str | float = "2m",
    samples: int = SAMPLES,
    seed: int = 0,
    watch: Callable[[str], Watch | None] | None = None,
    done: Callable[[Entrant], None] | None = None,
    device: torch.device | str | None = None,
    **options: object,
) -> Comparison:
    """Fit the models that nobody fitted yet, score all on the same held-out rows, and rank what is comparable.

    Args:
        models: names of the zoo, which are built and fitted, or models. A model that is fitted (`Model.fitted`, which
            `fit` sets and a run keeps) is scored as it is; any other is fitted in place, as `fit` would. Set `fitted`
            on a model that was trained elsewhere, and see that it was not trained on the rows held out here. A mapping
            gives other names. None takes all that suit the space, and the contexts.
        data: a name or path that `open_dataset` takes, a Dataset, or rows, which `split_source` cuts in the same way.
        keep_equal_rows_together: rows that are equal lie in one part of the split.
        budget: for all fits together, in even shares; what a fit leaves of its share, the later ones have.
        samples: K of the bounds of latent and dequantised models, printed beside the number; what has no importance
            weights is scored without.
        watch: given a name, the watcher of its fit. done: called with every entrant when it is finished.
        device: where models are fitted, the CPU if None.
        options: of every fit, see `training.options.Options`.

    A model that cannot be fitted is listed with its error, whatever it is, and does not stop the others. An interrupt
    ends the fit it meets, whose model is scored as it is, and keeps the rest from being begun.

    >>> import loglik
    >>> [standing.name for standing in loglik.compare(["gaussian", "ppca"], "moons", budget="5s").standings]
    ['gaussian', 'ppca']
    """
    seed, samples, left = whole("seed", seed, SEEDS), whole("samples", samples, WITHIN), seconds(budget)
    check_function("watch", watch)
    check_function("done", done)
    device = torch.device("cpu") if device is None else device_of(device)
    Options.of(**options)
    dataset = _dataset(data, seed, keep_equal_rows_together)
    entrants = [_entrant(name, model, dataset, seed, device) for name, model in _named(models, dataset).items()]
    result = Comparison(dataset, entrants, samples)
    started = time.perf_counter()
    try:
        for entrant in _in_turn(result, left, {"seed": seed, **options}, watch):
            _score(entrant, dataset, samples, seed, done)
    except KeyboardInterrupt:
        _end_early(result)
    result.seconds = time.perf_counter() - started
    return result


def _in_turn(
    result: Comparison, left: float, options: Record, watch: Callable[[str], Watch | None] | None
) -> Iterator[Entrant]:
    """The entrants, each when it is fitted; `left` is the time for all. Those that were fitted before come last.

    What converges by itself goes first, and seldom uses its share; gradients have what is left.
    """
    entrants = result.entrants
    unfitted = sorted((e for e in entrants if e.to_fit), key=lambda e: not (e.model and e.model.fitted_by.in_passes))
    for place, entrant in enumerate(unfitted):
        share = max(left / (len(unfitted) - place), LEAST_SECONDS)
        if result.interrupted:
            entrant.error = "not fitted: interrupted before its turn"
        else:
            limits = {} if {"steps", "epochs"} & options.keys() else {"budget": share}
            _fit(entrant, result.data, Options.of(**limits, **options), watch(entrant.name) if watch else None)
        left -= entrant.seconds
        yield entrant
    yield from (entrant for entrant in entrants if not entrant.to_fit)


def _end_early(result: Comparison) -> None:
    """An interrupt leaves the models that are scored; without any there is no comparison."""
    if not any(e.score for e in result.entrants):
        raise KeyboardInterrupt
    result.cut_short = True
    for entrant in result.entrants:
        if entrant.score is None:
            entrant.error = entrant.error or "not scored: interrupted"


def _entrant(name: str, model: str | Model, data: Dataset, seed: int, device: torch.device | None) -> Entrant:
    """A model, or a new one of the zoo, and whether to fit it; one that cannot be built has an error."""
    if isinstance(model, Model):
        return Entrant(name, model, to_fit=model.fitted_by is not FittedBy.NOTHING and not model.fitted)
    try:
        with seeded(seed):
            return Entrant(name, build_for(model, data, {}).to(device or "cpu"), to_fit=True)
    except UnknownName:
        raise
    except Exception as error:  # a builder may be the user's own, and anything
        return Entrant(name, error=in_words(error), exit_code=exit_code(error))


def build_for(name: str, data: Dataset, given: Record) -> Model:
    """A model of the zoo for the events of a data set; if they come with contexts, a model of p(x|c)."""
    if entry(name).route == "flow" and (remark := _without_effect(name, data.space, given)):
        warnings.warn(remark, FitWarning, stacklevel=2)
    if data.context_space is None:
        return build(name, data.space, **given)
    if not _conditions(name):
        raise ContextError(f"`{name}` does not condition on a context. Leave the context out, or take another model.")
    return build(name, data.space, **{**given, "context": data.context_space})


def _without_effect(name: str, space: Space, given: Record) -> str:
    """What of the given hyperparameters of a flow changes nothing, in one line; empty if all of them count."""
    unused = [key for key in given if key in OF_WHOLE_NUMBERS and isinstance(space, Real)]
    if unused:
        return (
            f"{' and '.join(unused)} of {name} have no effect on reals, which are standardised; they are for whole "
            "numbers. Leave them out."
        )
    values = with_defaults(entry(name).load(), given)
    parts = [key for key in ("transform", "base") if key in values]
    if "components" not in given or not parts or any(values[key] in MIXTURES for key in parts):
        return ""
    message = " and ".join(f"{key}={values[key]}" for key in parts)
    return f"components of {name} have no effect with {message}, which is no mixture. Leave them out."


def _conditions(name: str) -> bool:
    """Whether a model of the zoo can be p(x|c)."""
    return "context" in hyperparameters(entry(name).load())


def _fit(entrant: Entrant, data: Dataset, options: Options, watch: Watch | None) -> None:
    assert entrant.model is not None
    entrant.options = options
    started = time.perf_counter()
    try:
        entrant.history = fit(entrant.model, data, watch=watch, **options.given())
    except Exception as error:  # a model may be the user's own, and anything
        entrant.error, entrant.exit_code = in_words(error), exit_code(error)
    entrant.seconds = time.perf_counter() - started


def _score(entrant: Entrant, data: Dataset, samples: int, seed: int, done: Callable[[Entrant], None] | None) -> None:
    if entrant.model is not None and not entrant.error:
        try:
            k = samples_for(entrant.model, samples)
            entrant.score = evaluate(entrant.model, data, samples=k, seed=seed)
        except Exception as error:
            entrant.error, entrant.exit_code = in_words(error), exit_code(error)
    if done:
        done(entrant)


def _dataset(data: object, seed: int, together: bool) -> Dataset:
    if isinstance(data, Dataset):
        if together:
            raise UsageError("A Dataset is split already; keep equal rows together where it is opened.")
        return data
    if isinstance(data, str | os.PathLike):
        return open_dataset(data, seed=seed, keep_equal_rows_together=together)
    return split_source("data", as_source(data).read(), seed, keep_equal_rows_together=together)


def _named(models: object, data: Dataset) -> dict[str, str | Model]:
    if models is None:
        models = [name for name in models_for(data.space) if data.context_space is None or _conditions(name)]
    if isinstance(models, str | Model | type):
        models = [models]
    if not isinstance(models, Iterable):
        raise UsageError(f"Expected models, or names of the zoo, to compare; got {shown(models)}.")
    if isinstance(models, Mapping):
        named = {str(name): _known(model) for name, model in models.items()}
    else:
        named = _numbered([_known(model) for model in models])
    if not named:
        raise UsageError("Expected at least one model to compare; got none.")
    return named


def _known(model: object) -> str | Model:
    """A name of the zoo or a model; raises UnknownName or UsageError for anything else."""
    if isinstance(model, str):
        entry(model)
        return model
    check_model(model)
    assert isinstance(model, Model)
    return model


def _numbered(models: Iterable[str | Model]) -> dict[str, str | Model]:
    """Models by name; of several with one name the later ones have a number."""
    named: dict[str, str | Model] = {}
    for model in models:
        name = model if isinstance(model, str) else (model.recipe or {}).get("name", type(model).__name__)
        label, number = name, 2
        while label in named:
            label, number = f"{name} {number}", number + 1
        named[label] = model
    return named
