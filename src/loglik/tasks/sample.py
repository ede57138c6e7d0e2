"""Draw samples from a model; models that draw value by value can continue a given beginning."""

from collections.abc import Callable

import torch
from torch import Tensor

from loglik.arguments.ranges import MANY, TEMPERATURES, real, whole
from loglik.arguments.tensors import tensor_of
from loglik.contexts import contexts_of_samples
from loglik.contract import Model
from loglik.errors import UsageError
from loglik.inference.evaluate import batch_rows, evaluating
from loglik.inference.randomness import seeded
from loglik.promises import check_model, draws_of
from loglik.spaces import Space


def sample(
    model: Model,
    n: int,
    context: object = None,
    *,
    seed: int = 0,
    given: object = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    length: int | None = None,
) -> Tensor:
    """n draws from p(x) or p(x|c), (n, *event), on the CPU, reals in float64; the same seed gives the same draws.

    Args:
        context: (n, *c), or (1, *c) or one (*c) for all; a tensor, an array, a list or, for labels, a number.
        given, temperature, top_k, length: see `Autoregressive.sample_guided`; `given` is one beginning for all.

    Raises:
        UsageError: one of these for a model that does not draw value by value, or outside its range.
        TooLarge: more samples than there is memory for.

    >>> import loglik
    >>> model = loglik.build("made", loglik.Integer((4,), levels=3), hidden=(8,), seed=0)
    >>> loglik.sample(model, 5).shape
    torch.Size([5, 4])
    >>> loglik.sample(model, 2, given=[[1, 2]])[:, :2].tolist()
    [[1, 2], [1, 2]]
    """
    check_model(model)
    n = whole("n", n, MANY)
    temperature = real("temperature", temperature, TEMPERATURES)
    top_k = None if top_k is None else whole("top_k", top_k, MANY)
    length = None if length is None else whole("length", length, MANY)
    contexts = contexts_of_samples(context, model.context, n, model.space.dims if length is None else length)
    contexts = None if contexts is None else contexts.to(model.device)
    begin = None if given is None else tensor_of(given, "the beginning").to(model.device)
    guided = begin is not None or temperature != 1.0 or top_k is not None or length is not None
    if guided:
        check_guided(model)

    def draw(rows: int, c: Tensor | None) -> Tensor:
        if not guided:
            return draws_of(model, model.sample(rows, c), rows)
        return model.sample_guided(rows, c, given=begin, temperature=temperature, top_k=top_k, length=length)

    with seeded(seed), evaluating(model):
        return _drawn(draw, n, contexts, batch_rows(model))


def _drawn(draw: Callable[[int, Tensor | None], Tensor], n: int, contexts: Tensor | None, at_once: int) -> Tensor:
    """n samples on the CPU, drawn `at_once` rows at a time."""
    starts = range(0, n, at_once)
    x = torch.cat(
        [draw(min(at_once, n - i), None if contexts is None else contexts[i : i + at_once]).cpu() for i in starts]
    )
    return x.double() if x.is_floating_point() else x


def check_guided(model: Model) -> None:
    """Raises UsageError for a model that takes no beginning, temperature, top k or length."""
    if model.guided:
        return
    name = type(model).__name__ if model.recipe is None else model.recipe["name"]
    raise UsageError(
        "Expected a model that draws values one after the other, for a given beginning, a temperature, a top k or a "
        f"length; got {name} of {model.space}, which {model.unguided}. Leave them out{_instead(model.space)}."
    )


def _instead(space: Space) -> str:
    """The end of a sentence that names models of such events that do."""
    if space.limits is None:
        return ", or fit made, which takes a beginning and a temperature"
    names = ["char-rnn", "made", "transformer"]
    names += ["pixelcnn"] if space.pictured else ["wavenet"] if len(space.shape) == 1 else []
    return f", or fit one that does: {', '.join(names)}"
