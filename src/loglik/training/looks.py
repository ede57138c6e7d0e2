"""Looks at validation: when they come, which rows they score, and which weights are kept."""

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.data import Memory
from loglik.inference.evaluate import evaluating, scored
from loglik.inference.randomness import seeded

SHARE = 0.1  # of the work, or of the time under a budget of time, that looks may take
PASSES = 3  # a training step takes about three times the work of scoring its rows
GROWTH = 0.2  # the next look comes when the steps have grown by so much: an early optimum is seen under any budget
ROWS = 2048  # of a look where there are more; a fixed random part
LEAST_ROWS = 32
ABSURD_NATS, ABSURD_SPREADS = 100.0, 20.0  # so far below the median, in nats and in quartile distances


@dataclass
class Candidate:
    """Weights that may be kept: the step they come from, and their log p of each row of a look, (N,) float64."""

    step: int
    weights: dict[str, Tensor]
    values: Tensor


class Looks:
    """The looks of one training, and the best weights so far; a random part of many rows is scored, always the same.

    Two weights are compared row by row on the same rows and with the same noise. A row counts unless it is absurd under
    every weights that were looked at (`counts`): such a row says nothing of which weights are better, but would decide
    alone. A row that some weights explain counts in full against those that do not.
    """

    def __init__(self, model: Model, valid: Memory, evaluations: int, *, seed: int, carry: bool) -> None:
        self.model, self.valid, self.evaluations, self.seed = model, valid, evaluations, seed
        self.carry = carry and valid.stream
        self.part = valid
        self.limit_rows(ROWS)
        self.candidates: list[Candidate] = []  # best first; two where looks see a part of the rows, else one
        self.highest: Tensor | None = None  # (N,): the best log p that each row had in any look
        self.step, self.progress = 0, 0.0  # at the last look
        self.not_better = 0  # looks since the best one
        self.seconds = 0.0  # of all looks
        self.last_seconds = 0.0

    def limit_rows(self, rows: int) -> None:
        """Look at so many rows from now on: drawn at random, of a stream in one piece."""
        self.part = self._part(max(LEAST_ROWS, rows))

    @property
    def whole(self) -> bool:
        return self.part.rows == self.valid.rows

    def due(self, step: int, progress: float, batch: int, evaluations: int | None = None) -> bool:
        """Whether to look after this step: it grew by GROWTH or the next of `evaluations` even parts is done, and a
        look costs no more than its share of the steps since the last."""
        since = step - self.step
        if since * batch * PASSES * SHARE < self.part.rows:
            return False
        even = progress - self.progress >= 1.0 / (evaluations or self.evaluations) - 1e-9
        return even or since >= GROWTH * self.step

    def affordable(self, seconds: float) -> bool:
        """Whether another look stays within half the share of the seconds so far; the last decision has the rest."""
        return self.seconds + self.last_seconds <= 0.5 * SHARE * seconds

    def look(self, step: int, progress: float) -> tuple[float, bool]:
        """Score the model as it is: mean nats of the rows that count, and whether it is the best so far."""
        self.step, self.progress = step, progress
        started = time.perf_counter()
        values = self._score(self.part)
        self.highest = values.clone() if self.highest is None else torch.maximum(self.highest, values)
        rows = counts(self.highest)
        weights = self.part.weights
        nats = _mean(values, rows, weights)
        place = sum(nats <= _mean(kept.values, rows, weights) for kept in self.candidates)
        if math.isfinite(nats) and place < (1 if self.whole else 2):
            new = Candidate(step, {name: t.detach().clone() for name, t in self.model.state_dict().items()}, values)
            self.candidates.insert(place, new)
            del self.candidates[1 if self.whole else 2 :]
        better = math.isfinite(nats) and place == 0
        self.not_better = 0 if better else self.not_better + 1
        self.last_seconds = time.perf_counter() - started
        self.seconds += self.last_seconds
        return nats, better

    def decide(self, rows: int) -> tuple[int, float] | None:
        """The step and nats of the best candidate, which comes to stand first; scored on up to `rows` validation rows
        where looks saw fewer. Leaves the model with its weights; None without any."""
        if not self.candidates:
            return None
        weights = self.part.weights
        if rows > self.part.rows and not self.whole:
            whole, highest = self._part(rows), None
            weights = whole.weights
            for kept in self.candidates:
                self.model.load_state_dict(kept.weights)
                kept.values = self._score(whole)
                highest = kept.values if highest is None else torch.maximum(highest, kept.values)
            self.highest = highest
        assert self.highest is not None
        counted = counts(self.highest)
        self.candidates.sort(key=lambda kept: _mean(kept.values, counted, weights), reverse=True)
        best = self.candidates[0]
        self.model.load_state_dict(best.weights)
        return best.step, _mean(best.values, counted, weights)

    @property
    def set_aside(self) -> int:
        """How many of the rows scored last do not count."""
        return 0 if self.highest is None else int((~counts(self.highest)).sum())

    def _score(self, rows: Memory) -> Tensor:
        with seeded(self.seed), evaluating(self.model):
            values = torch.cat([v for _, v in scored(self.model, rows, carry=self.carry and rows.stream)])
        return values.nan_to_num(nan=-math.inf, posinf=math.inf, neginf=-math.inf)

    def _part(self, rows: int) -> Memory:
        if rows >= self.valid.rows:
            return self.valid
        generator = torch.Generator().manual_seed(self.seed)
        if self.carry:
            start = int(torch.randint(self.valid.rows - rows + 1, (), generator=generator))
            return self.valid.subset(torch.arange(start, start + rows))
        return self.valid.subset(torch.randperm(self.valid.rows, generator=generator)[:rows].sort().values)


def counts(highest: Tensor) -> Tensor:
    """(N,) -> bool (N,): the rows that some weights found less than absurd.

    Absurd is a row whose best log p lies below the median row's by more than 100 nats and by more than 20 times the
    distance of the quartiles. No light tail has such rows; a heavy tail widens the quartiles, or is learnt.
    """
    ordered = highest.sort().values
    lower, median, upper = (float(ordered[len(ordered) * k // 4]) for k in (1, 2, 3))
    return highest >= median - max(ABSURD_NATS, ABSURD_SPREADS * (upper - lower))


def _mean(values: Tensor, rows: Tensor, weights: Tensor | None) -> float:
    """Of the rows that count, by their weights; of rows that all have the weight 0, plainly."""
    if weights is None or not bool(weights[rows].any()):
        return float(values[rows].mean())
    return float((weights[rows] * values[rows]).sum() / weights[rows].sum())
