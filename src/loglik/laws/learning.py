"""Laws about what is learned and kept: gradients reach every parameter, the state is whole, contexts count."""

import copy
from collections.abc import Callable

import safetensors.torch
import torch
from torch import Tensor

from loglik.contract import FittedBy, Model
from loglik.errors import ContextError
from loglik.laws.subject import any_events, draws, other_contexts, reseed, scores
from loglik.laws.verdict import NotApplicable, Result, Status, require
from loglik.spaces import Real

FOLLOWING = 512  # samples, of which one at least must change with its context


def gradients(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """Every trained parameter gets a finite gradient from the objective, and one that is not zero throughout.

    With one dimension nothing depends on anything, so parts of a net are idle by right; and what EM fits need not wait
    for gradients.
    """
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not parameters:
        raise NotApplicable("The model has no parameters that are trained by gradients.")
    reseed(model, 0)
    with torch.enable_grad():
        found = torch.autograd.grad(model.objective(x, context).sum(), list(parameters.values()), allow_unused=True)
    gradients = dict(zip(parameters, found, strict=True))
    bad = [name for name, g in gradients.items() if g is not None and not bool(torch.isfinite(g).all())]
    require(not bad, f"The gradient is not finite for {', '.join(bad)}.")
    if model.space.dims > 1 and not model.fitted_by.in_passes:
        idle = [name for name, g in gradients.items() if g is None or not bool(g.any())]
        require(not idle, f"No gradient reaches {', '.join(idle)}.")
    return Result(Status.PASSED, f"Finite, and reaching all {len(parameters)} parameters.")


def persistence(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """The state dict, through the bytes of a safetensors file, restores every bit of the scores.

    The copy that reads it has been disturbed in every way that training disturbs a model: initialised on other data,
    fitted, moved, and run in training mode. What it keeps outside its state stays disturbed, and shows.
    """
    truth = scores(model, x, context)
    # Tensors that share memory cannot be written; each is written for itself.
    state = {name: value.detach().clone().contiguous() for name, value in model.state_dict().items()}
    written = safetensors.torch.save(state)
    other = copy.deepcopy(model)
    _disturb(other, x, context)
    other.load_state_dict(safetensors.torch.load(written))
    again = scores(other.eval(), x, context)
    same = torch.equal(again, truth)
    require(same, "Scores differ after loading: the model keeps something outside its state dict.")
    return Result(Status.PASSED, f"{len(state)} tensors, {len(written)} bytes; scores identical to the bit.")


def _disturb(model: Model, x: Tensor, context: Tensor | None) -> None:
    reseed(model, 1)
    moved = 2.0 * x + 1.0 if isinstance(model.space, Real) else model.space.other(x)
    model.train()
    with torch.no_grad():
        model.initialize(moved, context)
        if model.fitted_by.in_passes:
            model.maximize(model.expect(moved, context))
        else:
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        model.objective(moved, context)
        model.sample(2, None if context is None else context[:2])


def contexts(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """p(x|c): a missing context is refused and another one changes the score. p(x): a context is refused."""
    if model.context is None:
        _refused(
            model, x, any_events(Real((1,)), len(x), model), "The model takes no context and accepts one", once=True
        )
        return Result(Status.PASSED, "The model takes no context and refuses one.")
    _refused(model, x, None, "The model needs a context and does without")
    if model.fitted_by is FittedBy.NOTHING:
        return Result(Status.PASSED, "A missing context is refused; no parameters for one to act through.")
    assert context is not None
    reseed(model, 0)
    others = other_contexts(model, context)
    change = float((scores(model, x, others) - scores(model, x, context)).abs().max())
    require(change > 0, "Another context gives the same score.")
    _followed(model, context, others)
    return Result(Status.PASSED, f"A missing context is refused; another changes the score by up to {change:.3g} nats.")


def _followed(model: Model, context: Tensor, others: Tensor) -> None:
    """Samples change with the context, all random numbers being the same: else p(x|c), if not its bound, knows no c."""
    for n in (16, FOLLOWING):
        rows = torch.arange(n, device=context.device) % len(context)
        if not torch.equal(draws(model, n, context[rows]), draws(model, n, others[rows])):
            return
    require(False, "Scores change with the context, and samples do not.")


def _refused(model: Model, x: Tensor, context: Tensor | None, otherwise: str, *, once: bool = False) -> None:
    """Refused by both, or `once` by the likelihood, before any number is told."""
    calls: dict[str, Callable[[], object]] = {"log_likelihood": lambda: model.log_likelihood(x, context)}
    if not once:
        calls["sample"] = lambda: model.sample(1, None if context is None else context[:1])
    for name, call in calls.items():
        try:
            with torch.no_grad():
                call()
        except ContextError:
            continue
        check = "self.events(x, context)" if name == "log_likelihood" else "self.contexts(n, context)"
        require(False, f"{otherwise} in {name}. Begin it with {check}, which refuses.")
