"""Mistakes with continuous flows, each found: known from published code and from exercises."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from mutating import override
from torch import Tensor, nn

from cases import data
from loglik.bijections.continuous import SPAN, Continuous, rademacher
from loglik.contract import Claim, Model
from loglik.laws import LAWS, Status
from loglik.laws.subject import in_float64, some_events
from loglik.laws.table import _judge
from loglik.laws.verdict import Result
from loglik.models.flows.cnf import cnf
from loglik.models.flows.ffjord import ffjord
from loglik.nets.fields.field import Directions
from loglik.ode import Adaptive, largest, solve
from loglik.spaces import Real

PLANE = Real((2,))


def lively(model: Model) -> Model:
    """Initialised, with a field that moves."""
    flow = next(part for part in model.modules() if isinstance(part, Continuous))
    with torch.no_grad():
        model.initialize(data(PLANE))
        flow.field.layers[-1].weight.normal_(std=1.5)
    return model


def mutated(part: type[nn.Module], **methods: Any) -> Model:
    model = lively(cnf(PLANE, hidden=(6, 5), gain=0.5, kinetic=0.5))
    for module in model.modules():
        if isinstance(module, part):
            for name, method in methods.items():
                override(module, name, method)
    return model


def judged(model: Model, law: str) -> Result:
    subject = in_float64(model)
    judge = next(one for one in LAWS if one.name == law)
    return _judge(judge, subject, some_events(subject, 64, None), None, 0)


def with_log_det(change: Callable[[Tensor], Tensor]) -> Model:
    def forward(self: Continuous, sound: Any, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, log_det = sound(self, x, context)
        return z, change(log_det)

    return mutated(Continuous, forward=forward)


def the_sign_turned() -> Model:
    """The integral taken as from noise to data."""
    return with_log_det(torch.neg)


def the_mean_over_dimensions() -> Model:
    return with_log_det(lambda log_det: log_det / 2.0)


def an_inverse_that_goes_on() -> Model:
    """The inverse integrates from 0 to 1 once more."""

    def inverse(self: Continuous, sound: Any, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._solved(z, context, SPAN, self.field.exact())

    return mutated(Continuous, inverse=inverse)


def a_sampler_that_goes_on() -> Model:
    def preimage(self: Continuous, sound: Any, z: Tensor, context: Tensor | None = None) -> Tensor:
        return self._solved(z, context, SPAN, self.field.no_directions())[0]

    return mutated(Continuous, preimage=preimage)


def probes_are_summed() -> Model:
    """Hutchinson's estimate sums its probes, where it is their mean."""
    model = lively(ffjord(PLANE, hidden=(6, 5), probes=2, exact=False))
    for part in model.modules():
        if isinstance(part, Continuous):
            override(part, "forward", lambda self, sound, x, context=None: _doubled(sound(self, x, context)))
    return model


def _doubled(found: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return found[0], 2.0 * found[1]


def penalties_in_the_score() -> Model:
    def forward(self: Continuous, sound: Any, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.training_forward(x, context)

    return mutated(Continuous, forward=forward)


def solved_with(steps: Adaptive) -> Model:
    def carried(
        self: Continuous, sound: Any, x: Tensor, context: Tensor | None, span: tuple[float, ...], along: Directions
    ) -> tuple[Tensor, Tensor]:
        dynamics = self.field.dynamics(context, along)
        return dynamics.parts(solve(dynamics, dynamics.start(x), span, steps=steps).last)

    return mutated(Continuous, _solved=carried)


def steps_for_the_batch() -> Model:
    """What is common: the controller sees the mean error of a batch, at a loose tolerance."""
    return solved_with(Adaptive(1e-3))


def a_loose_tolerance() -> Model:
    """Every event is seen, but scores are solved no better than training is."""
    return solved_with(Adaptive(1e-5, norm=largest))


def an_estimate_sold_as_exact() -> Model:
    model = lively(ffjord(PLANE, hidden=(6, 5), exact=False))
    for part in model.modules():
        if isinstance(part, Continuous):
            part.__class__ = type("Continuous", (Continuous,), {"claim": property(lambda self: Claim.EXACT)})
    return model


MUTATIONS: dict[str, tuple[str, Callable[[], Model]]] = {
    "sign of the integral turned": ("log-determinant", the_sign_turned),
    "sign of the integral turned, mass": ("total mass", the_sign_turned),
    "mean over dimensions": ("log-determinant", the_mean_over_dimensions),
    "probes are summed": ("log-determinant", probes_are_summed),
    "an inverse that goes on": ("inverse", an_inverse_that_goes_on),
    "a sampler that goes on": ("sampler", a_sampler_that_goes_on),
    "penalties in the score": ("total mass", penalties_in_the_score),
    "steps for the batch": ("events apart", steps_for_the_batch),
    "a loose tolerance": ("inverse", a_loose_tolerance),
    "a loose tolerance, log-determinant": ("log-determinant", a_loose_tolerance),
    "an estimate sold as exact": ("claim", an_estimate_sold_as_exact),
}


@pytest.mark.parametrize("law", sorted({law for law, _ in MUTATIONS.values()}))
def test_without_a_mistake_the_law_is_kept(law: str) -> None:
    result = judged(lively(cnf(PLANE, hidden=(6, 5), gain=0.5, kinetic=0.5)), law)
    assert result.status is Status.PASSED, result.detail


@pytest.mark.parametrize("mistake", MUTATIONS)
def test_the_law_finds_the_mistake(mistake: str) -> None:
    law, build = MUTATIONS[mistake]
    result = judged(build(), law)
    assert result.status is Status.FAILED, result.detail
    assert "It threw" not in result.detail


def test_noise_drawn_at_every_evaluation_is_found() -> None:
    """It is no field: the harder one looks the rougher it gets, and no steps are short enough."""
    model = lively(ffjord(PLANE, hidden=(6, 5)))
    flow = next(part for part in model.modules() if isinstance(part, Continuous))
    x = flow.pilots.double()
    field = flow.double().field
    fixed = field.dynamics(None, field.hutchinson(rademacher((1, *x.shape), x)))

    def anew(t: Tensor, state: Tensor) -> Tensor:
        return replace(fixed, **redrawn())(t, state)

    def redrawn() -> dict[str, Tensor]:
        along = field.hutchinson(rademacher((1, *x.shape), x))
        return {"e": along.e, "v": along.v}

    with torch.no_grad():
        steps = Adaptive(1e-7, most=150)
        settled = solve(fixed, fixed.start(x), SPAN, steps=steps)
        assert settled.rejected <= 3
        with pytest.raises(ArithmeticError, match="field is stiff"):
            solve(anew, fixed.start(x), SPAN, steps=steps)
