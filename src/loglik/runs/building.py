"""The model that run.json describes, before it has its weights: built, or outlined, within what its weights allow."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from loglik.contract import Model
from loglik.errors import CorruptRun, LoglikError, TooLarge, UnknownName
from loglik.inference.randomness import seeded
from loglik.models.predictive import PosteriorPredictive
from loglik.records import Record
from loglik.spaces import space_from_json
from loglik.zoo import ZOO, build, entry

AGAIN = "Restore it, or fit again with `loglik fit`."
TIMES, SPARE = 4, 256  # a model may make this many tensors for each saved one: masks and orders are rebuilt


class TooMany(TooLarge):
    """The model has far more tensors than the saved weights."""


def rebuilt(record: Record, place: Path, seed: int) -> Model:
    """The model that a run.json at `place` describes; `seed` is that of what its builder draws.

    Raises:
        CorruptRun: the model cannot be built. UnknownName: this loglik knows none of that name. TooLarge.
    """
    recipe = record["model"]
    name = recipe["name"]
    try:
        entry(name)
    except UnknownName:
        advice = f"The run at {place.parent} is of one: upgrade loglik, install its package, or `register` it first."
        raise UnknownName("model", name, ZOO, advice) from None
    try:
        with seeded(seed):
            return _built(recipe)
    except MemoryError:
        raise
    except (LoglikError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorruptRun(f"{place} describes a model that cannot be built. {reason} {AGAIN}") from None


def _built(recipe: Record) -> Model:
    """The model of a recipe: of the zoo, or the predictive of so many draws of its weights."""
    model = build(recipe["name"], space_from_json(recipe["space"]), **recipe["hyperparameters"])
    return PosteriorPredictive(model, **recipe["posterior"]) if "posterior" in recipe else model


def check_draws(record: Record, kept: int, place: Path) -> None:
    """Raises CorruptRun for more draws of the weights than there are tensors; each would be made first."""
    draws = record["model"].get("posterior", {}).get("draws", 1)
    if draws > kept:
        raise CorruptRun(f"{place} describes {draws} draws of the weights; there are {kept} tensors. {AGAIN}")


def outline(record: Record) -> Model | None:
    """The model that run.json describes without memory for its numbers: sizes are seen before they are taken.

    None where a builder looks at the numbers it makes; then, as for errors, building it in earnest tells.

    Raises:
        TooLarge: the sizes that are stated do not fit into memory.
    """
    recipe = record["model"]
    try:
        with seeded(0), torch.device("meta"):
            return _built(recipe)
    except TooLarge:
        raise
    except Exception:  # a builder may be the user's own, and anything
        return None


@contextmanager
def few_tensors(kept: int) -> Iterator[None]:
    """Within it, a model of far more parameters and buffers than the `kept` ones is given up while it is built.

    A thousand layers take a minute to build, and little memory.

    Raises:
        TooMany: it makes more than a model with these weights would.
    """
    most, own, made = TIMES * kept + SPARE, threading.get_ident(), 0

    def count(module: nn.Module, name: str, tensor: torch.Tensor | None) -> None:
        nonlocal made
        made += threading.get_ident() == own  # other threads build models of their own
        if made > most:
            raise TooMany(f"Expected a model of {kept} tensors; got one of more than {most}.")

    hooks = [
        register_module_parameter_registration_hook(count),
        register_module_buffer_registration_hook(count),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
