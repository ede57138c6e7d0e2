"""Total mass by construction, for models made of parts whose own laws can be judged in any number of dimensions.

autoregressive   log p(x) = sum_i log p(x_o(i) | x_o(<i)): each conditional sums to one, and none sees a later value
flow             log p(x) = log p(z) + log|det dz/dx|: the base has mass one, the map is one to one, log|det| is right
"""

import math

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.densities import StandardNormal
from loglik.laws.bijectivity import inverse, log_determinant
from loglik.laws.causality import causality
from loglik.laws.quadrature import resolved_integral
from loglik.laws.subject import any_events, scores
from loglik.laws.verdict import Broken, NotApplicable, Status, Undecided, require
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.flow import Flow
from loglik.spaces import Discrete

TOLERANCE = 1e-9  # relative to the scores; of a sum over levels
INTEGRATED = 1e-4
CONDITIONALS = 64
CELLS = 2_000_000  # levels times conditionals
QUADRATURES = 2


def by_parts(model: Model, x: Tensor, context: Tensor | None) -> str:
    """A few words on how the mass of this model follows from its parts.

    Raises:
        Undecided: it does not, or a part could not be judged. Broken: a part breaks its law, or the sum is not theirs.
    """
    if isinstance(model, Autoregressive):
        return _conditionals(model, x, context)
    if isinstance(model, Flow):
        return _change_of_variables(model, x, context)
    raise Undecided("The model is made of no parts that are known.")


def _change_of_variables(model: Flow, x: Tensor, context: Tensor | None) -> str:
    with torch.no_grad():
        y, log_scale = model.rescale(model.events(x, context, torch.float64))
        z, log_det = model.bijection(y.to(model.dtype), model.condition(context))
        apart = model.base.log_likelihood(z, context) + log_det + log_scale
    _same(scores(model, x, context), apart, "log p(x) is not log p(z) + log|det dz/dx|")
    for law in (inverse, log_determinant):
        try:
            found = law(model, x, context)
        except NotApplicable as reason:
            raise Undecided(str(reason)) from None
        require(found.status is Status.PASSED, found.detail)
    base = "" if type(model.base) is StandardNormal else by_parts(model.base, z, context)
    return "Jacobian and base density" + (f" ({base})" if base else "")


def _conditionals(model: Autoregressive, x: Tensor, context: Tensor | None) -> str:
    with torch.no_grad():
        params = model.conditionals(model.events(x, context), context)
        log_p = model.head.log_prob(params, model.by_site(model.events(x, context)))
    _same(scores(model, x, context), log_p.flatten(1).sum(1), "log p(x) is not the sum of the conditionals")
    flat = params.flatten(0, -2)
    chosen = flat[torch.randperm(len(flat), device=flat.device)[:CONDITIONALS]]
    worst = _of_levels(model, chosen) if isinstance(model.space, Discrete) else _of_reals(model, chosen[:QUADRATURES])
    allowed = TOLERANCE if isinstance(model.space, Discrete) else INTEGRATED
    require(worst <= allowed, f"A conditional has a total that is off by {worst:.2g}.")
    causality(model, any_events(model.space, 2, model), context)
    return "conditionals that each sum to one"


def _of_levels(model: Autoregressive, params: Tensor) -> float:
    space, together = model.space, max(1, model.head.values)
    assert isinstance(space, Discrete)
    if float(space.levels) ** together > CELLS:
        raise Undecided(f"A conditional has {space.levels}^{together} values, too many to sum over.")
    values = torch.cartesian_prod(*[torch.arange(space.levels, device=params.device)] * together)
    values = values if model.head.values == 0 else values.reshape(-1, together)
    few = params[: max(1, CELLS // len(values))]
    with torch.no_grad():
        totals = [model.head.log_prob(row.expand(len(values), -1), values).double().exp().sum() for row in few]
    return max(abs(float(total) - 1.0) for total in totals)


def _of_reals(model: Autoregressive, params: Tensor) -> float:
    if model.head.values > 2:
        raise Undecided(f"A conditional is a density of {model.head.values} values together.")
    worst = 0.0
    for row in params:
        with torch.no_grad():
            drawn = model.head.sample(row.expand(1_000, -1))

            def density(points: Tensor, row: Tensor = row) -> Tensor:
                with torch.no_grad():
                    values = points.reshape(-1, model.head.values) if model.head.values else points.flatten()
                    return model.head.log_prob(row.expand(len(points), -1), values).double().exp()

        try:
            total, _ = resolved_integral(density, drawn.reshape(len(drawn), -1))
        except NotApplicable as reason:
            raise Undecided(str(reason)) from None
        worst = max(worst, abs(total - 1.0))
    return worst


def _same(whole: Tensor, parts: Tensor, otherwise: str) -> None:
    error = float(((whole - parts).abs() / parts.abs().clamp(min=1.0)).max())
    if not error <= TOLERANCE:
        raise Broken(f"{otherwise}: they differ by {math.inf if math.isnan(error) else error:.2g}, relatively.")
