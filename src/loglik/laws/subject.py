"""The model under test: copies that may be disturbed, events and contexts to test it on, and seeds."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from loglik.contract import Model
from loglik.errors import ContextError
from loglik.spaces import Discrete, Space

VARIATION = 0.2  # of a parameter that is 0 throughout; others move by a tenth of themselves
CLASSES = 32  # up to so many contexts are all looked at
INPUTS = 8  # of a wider layer each weight moves less, so that what the layer says moves as much: else flows fold up


@contextmanager
def own_randomness(model: nn.Module) -> Iterator[None]:
    """Leaves the caller's random generators as they were."""
    devices = {t.device for t in (*model.parameters(), *model.buffers()) if t.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices, key=str)):
        yield


def reseed(model: Model, seed: int) -> None:
    # Not torch.manual_seed: it would seed devices whose state nobody restores.
    torch.default_generator.manual_seed(seed)
    if model.device.type == "cuda":
        with torch.cuda.device(model.device):
            torch.cuda.manual_seed(seed)


def in_float64(model: Model) -> Model:
    """A copy in float64 and evaluation mode, which may be disturbed."""
    return copy.deepcopy(model).double().eval()


def varied(model: Model, x: Tensor, context: Tensor | None, seed: int) -> Model:
    """A copy with its parameters moved a little at random, as training might.

    Nets often start with a last layer of zeros, and a net that says 0 breaks no law. Parameters that are 0 throughout
    become small noise, others keep their signs; single zeros move where they have a gradient, so a mask that was
    applied once and for all at the start is found out, and the unused half of a triangular factor stays unused. Models
    fitted by EM keep what they have: their parameters are probabilities and factors, and noise would break them.
    """
    model = copy.deepcopy(model)
    parameters = [p for p in model.parameters() if p.requires_grad and p.is_floating_point()]
    if model.fitted_by.in_passes or not parameters:
        return model
    reseed(model, seed)
    with torch.no_grad():
        for parameter in parameters:
            noise = torch.randn_like(parameter).clamp(-3.0, 3.0)
            parameter.add_(_variation(parameter) * noise if not parameter.any() else 0.1 * parameter * noise)
    try:
        gradients = torch.autograd.grad(model.objective(x, context).sum(), parameters, allow_unused=True)
    except Exception:  # an objective that throws is reported by the laws about it
        return model
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                idle = (parameter == 0) & gradient.bool()
                parameter.add_(VARIATION * parameter.square().mean().sqrt() * torch.randn_like(parameter) * idle)
    return model


def _variation(parameter: Tensor) -> float:
    inputs = parameter[0].numel() if parameter.ndim > 1 else 1
    return VARIATION * float(min(1.0, INPUTS / inputs) ** 0.5)


def scores(model: Model, x: Tensor, context: Tensor | None, seed: int = 0) -> Tensor:
    """(B,): log-likelihoods without gradients, the model's own noise seeded."""
    reseed(model, seed)
    with torch.no_grad():
        return model.log_likelihood(x, context)


def log_weights(model: Model, x: Tensor, context: Tensor | None, seed: int = 0) -> Tensor:
    """(B,): one log weight of each event without gradients, the model's own noise seeded."""
    reseed(model, seed)
    with torch.no_grad():
        return model.log_weight(x, context)


def draws(model: Model, n: int, context: Tensor | None, seed: int = 0) -> Tensor:
    """n samples without gradients, seeded; reals in float64 and levels as integers, whatever the sampler draws in."""
    reseed(model, seed)
    with torch.no_grad():
        x = model.sample(n, context)
    if not isinstance(model.space, Discrete):
        return x.double()
    return x.long() if x.is_floating_point() and torch.equal(x, x.floor()) else x


def some_events(model: Model, n: int, context: Tensor | None) -> Tensor:
    """n events of the model's space: its own samples, or where it fails to give any, values at random."""
    try:
        x = draws(model, n, context)
        model.space.events(x, model.dtype)
        usable = len(x) == n and bool(torch.isfinite(x).all())
    except Exception:  # a sampler that throws is reported by the law about samples
        usable = False
    return x if usable else any_events(model.space, n, model)


def any_events(space: Space, n: int, model: Model) -> Tensor:
    """n events at random, whatever the model."""
    return space.draw(n, device=model.device)


def some_contexts(model: Model, n: int) -> Tensor | None:
    """n contexts; real ones around those that the model was fitted with."""
    if model.context_reader is None:
        return None
    drawn = any_events(model.context_reader.space, n, model)
    return model.context_reader.inverse(drawn.flatten(1)) if model.context_reader.real else drawn


def other_contexts(model: Model, context: Tensor) -> Tensor:
    """Contexts that differ from these in every value; real ones by about a deviation, whatever their unit."""
    reader = model.context_reader
    assert reader is not None
    if not reader.real:
        return reader.space.other(context)
    return reader.inverse(reader.space.other(reader(context, torch.float64)))


def context_rows(model: Model, context: Tensor | None, at_most: int) -> list[Tensor | None]:
    """Single contexts to test p(x|c) for, one row each; [None] without.

    All of them where there are few, such as classes; else `at_most` of those given.
    """
    if context is None:
        return [None]
    space = model.context
    if isinstance(space, Discrete) and float(space.levels) ** space.dims <= CLASSES:
        every = torch.cartesian_prod(*[torch.arange(space.levels)] * space.dims).reshape(-1, *space.shape)
        context = every.to(device=context.device, dtype=context.dtype)
        at_most = len(context)
    return [context[i : i + 1] for i in range(min(at_most, len(context)))]


def in_turn(context: Tensor | None, n: int) -> Tensor | None:
    """(R, *c) -> (n, *c): the contexts in turn, so that neighbours in a batch differ."""
    return None if context is None else context[torch.arange(n, device=context.device) % len(context)]


def given(context: Tensor | None, n: int) -> Tensor | None:
    """One context for all n events."""
    return None if context is None else context.expand(n, *context.shape[1:])


def check_rows(x: Tensor, context: Tensor | None) -> None:
    if context is not None and len(context) != len(x):
        raise ContextError(f"Expected one context per event, {len(x)}; got {len(context)}.")
