"""Mass where the samples never go: a density may be right wherever one looks, and have a second mode far away.

From points at 10 to a million spreads from the samples, along axes and in all directions, one climbs the density. A
climb that ends where samples are has found nothing. About the end of any other, the mass outside the samples' region R

    int_{not R} p  =  E_{y ~ q} [p(y) / q(y) 1(y not in R)],

is estimated with q a mixture of normals there, of many widths. The estimate is unbiased, so it proves a mass that is
many standard errors above zero; that there is none, no finite number of looks can prove.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from loglik.contract import Claim, Model
from loglik.laws.patience import affordable, in_time, pool
from loglik.laws.subject import context_rows, given, scores
from loglik.laws.verdict import NotApplicable, Result, Undecided, require, within
from loglik.spaces import Discrete

STARTS, FEWEST_STARTS = 48, 4
ROUNDS = 40
SCALES = (1.0, 6.0)  # powers of ten, in spreads
# Along the gradient, as shares of the distance from the centre; a whole one would jump to where samples are.
STEPS = tuple(0.5 * 4.0**-k for k in range(13))
WIDTHS = tuple(10.0**k for k in range(-3, 5))  # in spreads
PLACES = 4
LOWEST = -100.0  # nats per dimension; what ends lower found nothing
DRAWS = 4_000  # for each place
REGION = 2.0  # times as far as the furthest sample
LEAST = 0.002  # mass; in tails beyond twice the furthest of many samples there is less
STANDARD_ERRORS = 5.0
FEWEST = 100


def mass_elsewhere(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """No mass further than twice as far as any sample goes, wherever the density leads uphill."""
    if isinstance(model.space, Discrete):
        raise NotApplicable("Levels are few, and all of them near.")
    if model.claim is not Claim.EXACT:
        raise Undecided(f"A density that is {'an estimate' if model.claim is Claim.ESTIMATE else 'a bound'} has noise.")
    rows = in_time(context_rows(model, context, 2), fewest=1)
    try:
        return max((_judged(model, row) for row in rows), key=lambda found: found.severity)
    except ArithmeticError as error:  # of a solver that gives up so far away
        raise Undecided(f"Far away the density cannot be computed. {error}") from None


def _judged(model: Model, row: Tensor | None) -> Result:
    drawn = pool(model, row, FEWEST).flatten(1)
    low, centre, high = drawn.quantile(drawn.new_tensor([0.25, 0.5, 0.75]), dim=0)
    spread = (high - low) / 1.35
    spread = torch.where(spread > 1e-9 * (1.0 + centre.abs()), spread, torch.ones_like(spread))
    radius = REGION * float(((drawn - centre) / spread).abs().amax())

    def log_p(t: Tensor) -> Tensor:
        """Of t (N, D), in spreads from the centre, as a density of t; what is not finite is nowhere to go."""
        events = (centre + spread * t).reshape(-1, *model.space.shape)
        with torch.no_grad():
            found = scores(model, events, given(row, len(t))).double() + spread.log().sum()
        return found.nan_to_num(nan=-math.inf, neginf=-math.inf)

    def slope(t: Tensor) -> Tensor:
        t = t.clone().requires_grad_()
        with torch.enable_grad():
            events = (centre + spread * t).reshape(-1, *model.space.shape)
            total = model.log_likelihood(events, given(row, len(t))).nan_to_num(posinf=0.0, neginf=0.0).sum()
        if not total.requires_grad:
            return torch.zeros_like(t)
        gradient: Tensor = torch.autograd.grad(total, t)[0]
        return gradient.double().nan_to_num(posinf=0.0, neginf=0.0)

    starts = _starts(model.space.dims, drawn)
    n = affordable(lambda k: (slope(starts[:k]), [log_p(starts[:k]) for _ in STEPS]), len(starts))
    if n < FEWEST_STARTS:
        raise Undecided("Far away the density takes too long to compute.")
    reached, height = _climbed(starts[:: max(1, len(starts) // n)], log_p, slope)
    outside = (reached.abs().amax(1) > radius) & (height > LOWEST * model.space.dims)
    places = reached[outside][height[outside].argsort(descending=True)][:PLACES]
    where = f"from {len(reached)} starts at 10 to 1e6 spreads; samples end at {radius / REGION:.3g}"
    if not len(places):
        return within(0.0, LEAST, f"All climbs end where samples are, {where}.", "climbs from far away")
    found = [(*_mass_about(place, radius, log_p), place) for place in places]
    mass, stderr, place = max(found, key=lambda one: one[0] - one[1])
    certain = mass - STANDARD_ERRORS * stderr
    require(
        certain <= LEAST,
        f"Mass of {mass:.3g} +- {stderr:.1g} lies where no sample goes, about "
        f"{_shown(centre + spread * place)}; {where}.",
    )
    return within(max(certain, 0.0), LEAST, f"No mass found outside, {where}.", "climbs from far away")


def _starts(dims: int, like: Tensor) -> Tensor:
    """(N, D), in spreads: half of them along axes, at distances of every order."""
    drawn = torch.randn(STARTS, dims, dtype=like.dtype, device=like.device)
    directions = drawn / drawn.square().sum(1, keepdim=True).sqrt()
    axes = torch.arange(STARTS // 2, device=like.device)
    directions[: STARTS // 2] = 0.0
    directions[axes, (axes // 2) % dims] = 1.0 - 2.0 * (axes % 2).to(like.dtype)
    orders = torch.rand(STARTS, 1, dtype=like.dtype, device=like.device)
    orders[: STARTS // 2, 0] = torch.linspace(0.0, 1.0, STARTS // 2, dtype=like.dtype, device=like.device)
    orders[: STARTS // 2] = orders[torch.randperm(STARTS // 2)]
    distances = torch.exp(math.log(10.0) * (SCALES[0] + (SCALES[1] - SCALES[0]) * orders))
    return directions * distances


def _climbed(t: Tensor, log_p: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Where steepest ascent leads, (N, D), and log p there (N,); each step is the best of several lengths."""
    height = log_p(t)
    for _ in in_time(range(ROUNDS), fewest=3):
        direction = slope(t)
        direction = direction / direction.norm(dim=1, keepdim=True).clamp(min=1e-300)
        far = t.norm(dim=1, keepdim=True)
        best, better = t, height
        for step in STEPS:
            other = t + step * far * direction
            found = log_p(other)
            best = torch.where((found > better)[:, None], other, best)
            better = torch.maximum(better, found)
        if not bool((better > height + 1e-6).any()):
            break
        t, height = best, better
    return t, height


def _mass_about(place: Tensor, radius: float, log_p: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """The mass outside, as seen from one place, and its standard error."""
    widths = place.new_tensor(WIDTHS)
    chosen = widths[torch.arange(DRAWS, device=place.device) % len(widths), None]
    y = place + chosen * torch.randn(DRAWS, len(place), dtype=place.dtype, device=place.device)
    y = y[: affordable(lambda k: log_p(y[:k]), DRAWS)]
    far = (y - place).square().sum(1, keepdim=True) / widths.square()
    log_q = (-0.5 * far - len(place) * (widths.log() + 0.5 * math.log(2.0 * math.pi))).logsumexp(1)
    log_q -= math.log(len(widths))
    weights = (log_p(y) - log_q).exp() * (y.abs().amax(1) > radius)
    return float(weights.mean()), float(weights.std()) / len(y) ** 0.5


def _shown(place: Tensor) -> str:
    values = ", ".join(f"{value:.4g}" for value in place[:3].tolist())
    return f"x = ({values}{', ...' if len(place) > 3 else ''})"
