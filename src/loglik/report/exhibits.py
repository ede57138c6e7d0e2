"""What a report shows of each model: its score, its history, its samples, and how it scores its own samples."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.data import Memory
from loglik.errors import LoglikError
from loglik.inference.evaluate import evaluate, evaluating
from loglik.report import wording
from loglik.report.leaderboard import passes
from loglik.report.wording import Unit, number
from loglik.score import Score
from loglik.tasks.comparison import Comparison, Entrant
from loglik.tasks.sample import sample
from loglik.training.history import History

SECONDS = 5.0  # for the samples of one model
MANY, FEW = 500, 64  # samples, of small events and of large ones
SMALL = 64  # dimensions
ENOUGH = 200  # samples whose scores are worth a histogram
PROBE = 64  # events scored, to foresee how long sampling takes


@dataclass(frozen=True)
class Exhibit:
    """A model in the figures. own: the score of its own samples. note: why there are none, or fewer."""

    name: str
    colour: str
    model: Model | None = None
    score: Score | None = None
    seconds: float = 0.0
    history: History | None = None
    samples: Tensor | None = None
    own: Score | None = None
    note: str = ""

    def summary(self, unit: Unit) -> str:
        """The score in a few words, for captions."""
        if self.score is None:
            return ""
        return f"{unit.sign(self.score.claim)} {number(self.score.nats * unit.per_nat, unit.digits)} {unit.name}"


def leading(shown: Sequence[Exhibit]) -> Score | None:
    """The finite score that comes first; exhibits stand in the order of the leaderboard."""
    return next((e.score for e in shown if e.score is not None and math.isfinite(e.score.nats)), None)


def exhibits(comparison: Comparison, colours: dict[str, str], seed: int = 0) -> list[Exhibit]:
    """The scored models in the order of the leaderboard, with samples drawn from the seed."""
    entrants = [comparison.entrant(standing.name) for standing in comparison.standings]
    return [_exhibit(e, colours[e.name], comparison.data.test, comparison.samples, seed) for e in entrants]


def _exhibit(entrant: Entrant, colour: str, test: Memory, samples: int, seed: int) -> Exhibit:
    assert entrant.model is not None
    drawn, note = draw(entrant.model, entrant.name, test.context, seed)
    own = None
    if drawn is not None and len(drawn) >= ENOUGH:
        context = None if test.context is None else test.context[: len(drawn)]
        own = evaluate(entrant.model, drawn, context=context, samples=samples, seed=seed)
    return Exhibit(
        entrant.name, colour, entrant.model, entrant.score, entrant.seconds, entrant.history, drawn, own, note
    )


def draw(model: Model, name: str, contexts: Tensor | None = None, seed: int = 0) -> tuple[Tensor | None, str]:
    """Samples, as many as the time allows; or none, and the reason."""
    wanted = MANY if model.space.dims <= SMALL else FEW
    if model.context is not None:
        if contexts is None:
            return None, "no samples: the model is p(x|c), and there are no contexts"
        wanted = min(wanted, len(contexts))
    each = _seconds_each(model, name)
    n = min(wanted, int(SECONDS / each))
    if n < 1:
        return None, f"no samples: one takes about {wording.duration(each)}"
    try:
        context = contexts[:n] if model.context is not None and contexts is not None else None
        return sample(model, n, context, seed=seed), ""
    except LoglikError as error:
        return None, f"no samples: {error}"


def _seconds_each(model: Model, name: str) -> float:
    """About how long one sample takes: its passes, at the pace of scoring."""
    to_sample = passes(name, model)[1]
    # A model that does not say may need a pass for each value.
    times = 1 if to_sample == "1" else model.space.dims
    if times == 1 or model.context is not None:
        return 1e-9
    with evaluating(model):
        model.log_likelihood(torch.zeros(1, *model.space.shape, device=model.device))  # builds what is built once
        x = torch.zeros(PROBE, *model.space.shape, device=model.device)
        started = time.perf_counter()
        model.log_likelihood(x)
        return times * (time.perf_counter() - started) / PROBE
