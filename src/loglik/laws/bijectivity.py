"""The laws of change of variables: a bijection can be undone, and its log-determinant is that of its Jacobian."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from loglik.contract import Bijection, Claim, Model
from loglik.laws.patience import in_time
from loglik.laws.subject import reseed
from loglik.laws.verdict import NotApplicable, Result, Undecided, require, within

ROUND_TRIP = 1e-10
LOG_DET = 1e-8  # slogdet of a D x D Jacobian loses some digits itself
DIMS = 1_024  # the largest Jacobian that is formed
NUDGE = 1e-9  # a change of z, relative above 1
FREE = 1e3  # times it that x may change, and ROUND_TRIP is allowed: four digits more than rounding takes
FOLDED = 1e4  # times FREE, beyond which errors of 1e-6 are rounding's, and tell nothing
CONDITION, EPS_OF_JACOBIAN = 1e10, 1e-14  # what slogdet loses grows with the condition
ROWS = 6
ESTIMATES, STANDARD_ERRORS = 400, 6.0


@dataclass(frozen=True, eq=False)
class Call:
    """A bijection and what the model gave it."""

    name: str
    bijection: Bijection
    x: Tensor
    context: Tensor | None


def inverse(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """inverse(forward(x)) = x and forward(inverse(z)) = z; the two log-determinants cancel.

    A map that shrinks volumes a millionfold loses six digits on the way there and back: what rounding of z does to x is
    measured, and allowed.
    """
    worst, folded = 0.0, 0
    calls = bijections(model, x, context)
    with torch.no_grad():
        for call in calls:
            z, log_det = call.bijection(call.x, call.context)
            back, log_det_back = call.bijection.inverse(z, call.context)
            require(back.shape == call.x.shape, f"{call.name}: inverse(forward(x)) has another shape than x.")
            for found in (log_det, log_det_back):
                require(
                    tuple(found.shape) == (len(z),), f"{call.name}: log_det has shape {tuple(found.shape)}, not (B,)."
                )
            growth = _growth(call, z, back, log_det_back)
            sharp = ~(growth > FOLDED)
            folded += int((~sharp).sum())
            errors = _errors(back, call.x)
            if call.bijection.claim is not Claim.ESTIMATE:
                errors = torch.maximum(errors, _errors(log_det_back, -log_det))
            worst = max(worst, _largest((errors / growth.clamp(min=1.0))[sharp]))
            # Also at noise that no event led to: between two that some did, for not every z need be in the range.
            other = 0.5 * (z + z.roll(1, 0))
            there, _ = call.bijection.inverse(other, call.context)
            again = call.bijection(there, call.context)[0]
            worst = max(worst, _largest((_errors(again, other) / growth.clamp(min=1.0))[sharp & sharp.roll(1, 0)]))
    if folded == sum(len(call.x) for call in calls):
        raise Undecided("The map is so steep that rounding of z hides any error of the inverse.")
    steep = f" {folded} events are left out, where rounding hides it." if folded else ""
    return within(worst, ROUND_TRIP, f"Error of there and back again, of {_names(calls)}.{steep}")


def _growth(call: Call, z: Tensor, back: Tensor, log_det: Tensor) -> Tensor:
    """(B,): how much a small change of z changes x and log_det, over what it may without costing a digit."""
    small = NUDGE * z.abs().clamp(min=1.0)
    growth = torch.zeros_like(log_det)
    for sign in (1.0, -1.0):
        nudged = z + sign * small * (2.0 * torch.randint_like(z, 2) - 1.0)
        other, other_log_det = call.bijection.inverse(nudged, call.context)
        growth = torch.maximum(growth, _errors(other, back))
        if call.bijection.claim is not Claim.ESTIMATE:
            growth = torch.maximum(growth, _errors(other_log_det, log_det))
    return growth / (NUDGE * FREE)


def log_determinant(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """log_det = log|det J| with J from automatic differentiation, both ways; on average, where it is an estimate."""
    calls = [call for call in bijections(model, x, context) if call.x[0].numel() <= DIMS]
    if not calls:
        raise Undecided(f"No bijection has at most {DIMS} dimensions, so that its Jacobian can be formed.")
    exact = [call for call in calls if call.bijection.claim is not Claim.ESTIMATE]
    estimated = [call for call in calls if call not in exact]
    bias = max((_bias(call) for call in estimated), default=0.0)
    message = f"Standard errors of log_det's mean from the Jacobian, of {_names(estimated)}."
    if bias > STANDARD_ERRORS or not exact:
        return within(bias, STANDARD_ERRORS, message)
    found = [error for call in exact for error in _errors_of_log_det(call)]
    told = [error for error in found if error is not None]
    if not told:
        raise Undecided("The map is so steep that no digit is left of its Jacobian's determinant.")
    steep = (
        f" {len(found) - len(told)} of {len(found)} Jacobians are too steep to tell." if len(told) < len(found) else ""
    )
    message = f"Error of log_det against autograd's Jacobian, both ways, of {_names(exact)}.{steep}"
    return within(max(told), LOG_DET, message)


def _errors_of_log_det(call: Call) -> Iterator[float | None]:
    """For each event and direction, relative to what rounding of the Jacobian allows; None where that hides it."""
    z, log_det = _without_gradients(call)
    for row in in_time(range(len(call.x)), fewest=1):
        context = None if call.context is None else call.context[row : row + 1]
        for inverse, start, batched in ((False, call.x[row], log_det[row]), (True, z[row], None)):
            own, truth, condition = _with_jacobian(call.bijection, start, context, inverse=inverse)
            if condition > CONDITION:
                yield None
                continue
            error = max(_largest(_errors(found, truth)) for found in (own, batched) if found is not None)
            yield error / max(1.0, condition * EPS_OF_JACOBIAN / LOG_DET)


def _bias(call: Call) -> float:
    """Standard errors by which the mean of estimates is off, of the event where it is most."""
    worst = 0.0
    for row in in_time(range(len(call.x)), fewest=1):
        x, context = call.x[row : row + 1], None if call.context is None else call.context[row : row + 1]
        _, truth, _ = _with_jacobian(call.bijection, x[0], context, inverse=False)
        repeated = None if context is None else context.repeat_interleave(ESTIMATES, 0)
        _, estimates = _without_gradients(replace(call, x=x.repeat_interleave(ESTIMATES, 0), context=repeated))
        off = abs(float(estimates.mean() - truth))
        noise = float(estimates.std()) / ESTIMATES**0.5 + LOG_DET * max(1.0, abs(float(truth)))
        worst = max(worst, off / noise)
    return worst


def bijections(model: Model, x: Tensor, context: Tensor | None) -> list[Call]:
    """The outermost bijections of the model, with what they were given when the model scored x."""
    calls: dict[str, Call] = {}
    hooks = []
    for name, bijection in _outermost(model):

        def record(
            module: torch.nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], name: str = name
        ) -> None:
            assert isinstance(module, Bijection)
            x, context = (*args, kwargs.get("context"))[:2]
            if x is None or not x.is_floating_point():  # an empty chain before discrete values
                return
            rows = None if context is None else context[:ROWS].detach().clone()
            calls.setdefault(name, Call(name, module, x[:ROWS].detach().clone(), rows))

        hooks.append(bijection.register_forward_pre_hook(record, with_kwargs=True))
    try:
        reseed(model, 0)
        with torch.no_grad():
            model.log_likelihood(x, context)
    finally:
        for hook in hooks:
            hook.remove()
    if not calls:
        raise NotApplicable("The model has no bijection.")
    return list(calls.values())


def _outermost(module: torch.nn.Module, name: str = "") -> list[tuple[str, Bijection]]:
    if isinstance(module, Bijection):
        return [(name or "itself", module)]
    children = ((f"{name}.{child}".strip("."), part) for child, part in module.named_children())
    return [found for child, part in children for found in _outermost(part, child)]


def _without_gradients(call: Call) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return call.bijection(call.x, call.context)


def _with_jacobian(
    bijection: Bijection, x: Tensor, context: Tensor | None, *, inverse: bool
) -> tuple[Tensor, Tensor, float]:
    """Of one event x (*event): log_det, log|det J| and J's condition number.

    Copies of x in one batch, one for each row of J, take one pass there and one back together.
    """
    dims = x.numel()
    copies = x.detach().expand(dims, *x.shape).clone().requires_grad_()
    given = None if context is None else context.expand(dims, *context.shape[1:])
    with torch.enable_grad():
        z, log_det = bijection.inverse(copies, given) if inverse else bijection(copies, given)
        require(z.requires_grad, "A bijection's output does not depend on its input, or hides how.")
        (rows,) = torch.autograd.grad(z.flatten(1).diagonal().sum(), copies)
    jacobian = rows.flatten(1)
    sizes = torch.linalg.svdvals(jacobian)
    condition = float(sizes[0] / sizes[-1]) if float(sizes[-1]) > 0 else math.inf
    return log_det.detach()[0], torch.linalg.slogdet(jacobian).logabsdet, condition


def _errors(found: Tensor, expected: Tensor) -> Tensor:
    """(B,): the largest error of each event, relative above 1."""
    errors = (found - expected).abs() / expected.abs().clamp(min=1.0)
    return errors.reshape(len(errors), -1).amax(1) if errors.ndim else errors[None]


def _largest(errors: Tensor) -> float:
    error = float(errors.max()) if len(errors) else 0.0
    return math.inf if math.isnan(error) else error


def _names(calls: list[Call]) -> str:
    return ", ".join(call.name for call in calls)
