"""How a mutation is made: a sound model whose parts compute something else, also in its copies."""

from collections.abc import Callable
from typing import Any

from torch import nn

from cases import Case
from loglik.contract import Model


def mutated(case: Case, part: type[nn.Module], **methods: Any) -> Model:
    """The model of a case with some methods of one kind of part replaced, each called with the part and its own."""
    model = case.model()
    for module in model.modules():
        if isinstance(module, part):
            for name, method in methods.items():
                # A class, not an attribute of the instance: copies of the model must carry the mutation.
                override(module, name, method)
    return model


def override(module: nn.Module, name: str, method: Callable[..., Any]) -> None:
    sound = getattr(type(module), name)
    module.__class__ = type(
        type(module).__name__, (type(module),), {name: lambda self, *args, **kw: method(self, sound, *args, **kw)}
    )
