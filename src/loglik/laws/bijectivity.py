"""The laws of change of variables: a bijection can be undone, and its log-determinant is that of its Jacobian."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.contract import Bijection, Claim, Model
from loglik.laws.subject import reseed
from loglik.laws.verdict import NotApplicable, Result, require, within

ROUND_TRIP = 1e-10
LOG_DET = 1e-8  # slogdet of a D x D Jacobian loses some digits itself
DIMS = 64  # the largest Jacobian that is formed
ROWS = 6


@dataclass(frozen=True)
class Call:
    """A bijection and what the model gave it."""

    name: str
    bijection: Bijection
    x: Tensor
    context: Tensor | None


def inverse(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """inverse(forward(x)) = x and forward(inverse(z)) = z; the two log-determinants cancel."""
    worst = 0.0
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
            worst = max(worst, _error(back, call.x))
            if call.bijection.claim is not Claim.ESTIMATE:
                worst = max(worst, _error(log_det_back, -log_det))
            # Also at noise that no event led to: between two that some did, for not every z need be in the range.
            other = 0.5 * (z + z.roll(1, 0))
            there, _ = call.bijection.inverse(other, call.context)
            worst = max(worst, _error(call.bijection(there, call.context)[0], other))
    return within(worst, ROUND_TRIP, f"Error of there and back again, of {_names(calls)}.")


def log_determinant(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """log_det = log|det J| with J from automatic differentiation, in both directions."""
    calls = [call for call in bijections(model, x, context) if call.bijection.claim is not Claim.ESTIMATE]
    calls = [call for call in calls if call.x[0].numel() <= DIMS]
    if not calls:
        raise NotApplicable(f"No exact bijection has at most {DIMS} dimensions, so that its Jacobian can be formed.")
    worst = 0.0
    for call in calls:
        z, log_det, truth = _with_jacobian(call.bijection, call.x, call.context, inverse=False)
        worst = max(worst, _error(log_det, truth))
        _, log_det, truth = _with_jacobian(call.bijection, z, call.context, inverse=True)
        worst = max(worst, _error(log_det, truth))
    return within(worst, LOG_DET, f"Error of log_det against autograd's Jacobian, both ways, of {_names(calls)}.")


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


def _with_jacobian(
    bijection: Bijection, x: Tensor, context: Tensor | None, *, inverse: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The output, its log_det, and log|det J| with J formed row by row from gradients: (B, ...), (B,), (B,)."""
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        z, log_det = bijection.inverse(x, context) if inverse else bijection(x, context)
        rows = []
        require(z.requires_grad, "A bijection's output does not depend on its input, or hides how.")
        for value in z.flatten(1).unbind(1):
            (gradient,) = torch.autograd.grad(value.sum(), x, retain_graph=True)
            rows.append(gradient.flatten(1))
    jacobian = torch.stack(rows, dim=1)  # (B, D, D)
    return z.detach(), log_det.detach(), torch.linalg.slogdet(jacobian).logabsdet


def _error(found: Tensor, expected: Tensor) -> float:
    error = float(((found - expected).abs() / expected.abs().clamp(min=1.0)).max())
    return math.inf if math.isnan(error) else error


def _names(calls: list[Call]) -> str:
    return ", ".join(call.name for call in calls)
