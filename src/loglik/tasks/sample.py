"""Draw samples from a model; models that draw value by value can continue a given beginning."""

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
    context = contexts_of_samples(context, model.context, n, model.space.dims if length is None else length)
    context = None if context is None else context.to(model.device)
    if given is not None:
        given = tensor_of(given, "the beginning").to(model.device)
    guided = given is not None or temperature != 1.0 or top_k is not None or length is not None
    if guided:
        check_guided(model)

    def draw(rows: int, c: Tensor | None) -> Tensor:
        if not guided:
            return draws_of(model, model.sample(rows, c), rows)
        return model.sample_guided(rows, c, given=given, temperature=temperature, top_k=top_k, length=length)

    at_once = batch_rows(model)
    with seeded(seed), evaluating(model):
        parts = [
            draw(min(at_once, n - start), None if context is None else context[start : start + at_once]).cpu()
            for start in range(0, n, at_once)
        ]
    x = torch.cat(parts)
    return x.double() if x.is_floating_point() else x


def check_guided(model: Model) -> None:
    """Raises UsageError for a model that takes no beginning, temperature, top k or length."""
    if model.guided:
        return
    name = type(model).__name__ if model.recipe is None else model.recipe["name"]
    raise UsageError(
        "Expected a model that draws discrete values one after the other, for a given beginning, a temperature, a top "
        f"k or a length; got {name} of {model.space}, which {model.unguided}. Leave them out{_instead(model.space)}."
    )


def _instead(space: Space) -> str:
    """The end of a sentence that names models of such events that do."""
    if space.limits is None:
        return ": no model of real values takes them"
    names = ["char-rnn", "made", "transformer"]
    names += ["pixelcnn"] if space.pictured else ["wavenet"] if len(space.shape) == 1 else []
    return f", or fit one that does: {', '.join(names)}"
