"""Put the weights of a file into a model; nothing is assigned before all of them are known to fit.

What follows from the hyperparameters (masks, orders, patterns) is rebuilt with the model, and what a file says of it is
not read. What was drawn at random when the model was built has to be in the file; it is checked, as is all else that a
likelihood relies on: a table of probabilities sums to one, whoever wrote it.
"""

from collections.abc import Mapping
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.errors import CorruptRun
from loglik.storage.reading import Kind, check_kinds

T = TypeVar("T")
ANCHOR = "_anchor"  # see `Model`: it tells the type that a model computes in


@runtime_checkable
class Checked(Protocol):
    """A module whose tensors obey a rule that training keeps by itself, and a file need not."""

    def flaw(self) -> str:
        """Which rule they break, in words; empty if none."""


def check_weights(model: Model, found: Mapping[str, Kind], place: str) -> None:
    """Refuse tensors of other names, types or shapes than the model's; it takes the type that the file computes in.

    Raises:
        CorruptRun: with the first that differs.
    """
    found = without_structure(model, found)
    anchor = found.get(ANCHOR)
    if anchor is not None and anchor.dtype is not model.dtype and anchor.dtype.is_floating_point:
        model.to(anchor.dtype)  # as the user has converted it before saving
    check_kinds(found, {name: Kind.of(t) for name, t in model.state_dict().items()}, place)


def put_weights(model: Model, tensors: Mapping[str, Tensor], place: str, *, assign: bool = False) -> None:
    """Give a model the tensors that a file holds; with `assign` they are taken, not copied.

    Raises:
        CorruptRun: they do not fit, are not finite, or break a rule of the model.
    """
    tensors = without_structure(model, tensors)
    check_weights(model, {name: Kind.of(t) for name, t in tensors.items()}, place)
    for name, t in tensors.items():
        if t.is_floating_point() and not bool(torch.isfinite(t).all()):
            raise CorruptRun(f"{place} holds NaN or an infinity in {name}, and no score follows from it. Fit again.")
    model.load_state_dict(tensors, assign=assign)
    for name, part in model.named_modules():
        flaw = part.flaw() if isinstance(part, Checked) else ""
        if flaw:
            of = f"{name} of {place}" if name else place
            raise CorruptRun(f"{of} cannot be what loglik wrote: {flaw}. Restore the run, or fit again.")


def without_structure(model: Model, found: Mapping[str, T]) -> dict[str, T]:
    """What is not rebuilt with the model. Files of earlier versions hold masks and orders too."""
    rebuilt = rebuilt_names(model)
    return {name: value for name, value in found.items() if name not in rebuilt}


def rebuilt_names(model: Model) -> set[str]:
    """The tensors that follow from the hyperparameters, and are in no file."""
    return {name for name, _ in model.named_buffers(remove_duplicate=False)} - model.state_dict().keys()
