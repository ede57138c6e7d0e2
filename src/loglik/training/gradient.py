"""The gradient loop: AdamW, clipping, averaged weights, the best of which are kept, exact resume."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.data import Memory
from loglik.errors import Diverged
from loglik.inference.posterior.priors import Prior, name_of
from loglik.inference.randomness import seeded
from loglik.promises import objective_of
from loglik.training.average import AveragedWeights
from loglik.training.batches import LEAST_BATCH, Batches, fitting_batch
from loglik.training.history import History, Step
from loglik.training.interrupts import Interrupts
from loglik.training.looks import PASSES, SHARE, Looks
from loglik.training.options import Options
from loglik.training.precision import check_half_precision
from loglik.training.schedule import LEAST_STEPS, Fall, factor

Watch = Callable[[Step], None]

LOOK_SHARE = 0.02  # the largest share of a budget of time for one look
FALL_LOOKS = 8  # number of looks while the learning rate falls


class GradientTraining:
    """One training of one model; it holds all that the next step depends on, to save and restore.

    The batch of step t follows from the seed and t alone. Noise comes from torch's global generator, whose state is
    part of the training state; looks at validation draw their own, so that looking does not change the run. Only under
    a budget of time does the run depend on how fast the machine is: its length, its batch and its looks.
    """

    def __init__(
        self, model: Model, train: Memory, valid: Memory | None, options: Options, prior: Prior | None = None
    ) -> None:
        self.model, self.options, self.prior = model, options, prior
        if options.precision == "bfloat16":
            check_half_precision(model, train.x, train.context)
        carry = options.carry and train.stream and model.carries
        rows = options.batch_rows(train.rows, model.space.dims, carry=carry)
        self.batches = Batches(model, train, rows, seed=options.seed, carry=carry)
        self.looks: Looks | None = None
        if valid is not None:
            self.looks = Looks(model, valid, options.evaluations, seed=options.seed, carry=carry)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        decayed = [p for p in self.parameters if p.ndim >= 2]
        plain = [p for p in self.parameters if p.ndim < 2]
        values = train.rows * model.space.dims
        decay = options.decay(sum(p.numel() for p in decayed), values, has_prior=prior is not None)
        groups = [{"params": decayed, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=options.lr, fused=True)
        self.average = AveragedWeights(self.parameters, options.ema)
        self.history = History("gradients", batch=self.batches.size, weight_decay=decay, prior=prior and name_of(prior))
        self.carried: Tensor | None = None  # what the model remembers of each stream
        self.step = 0
        self.recent: list[float] = []  # training objectives since the last look
        self.fall: Fall | None = None
        self.seconds = 0.0  # since the fit began, with its preparation and looks
        self.step_seconds = 0.0  # of the last step

    @property
    def batch(self) -> int:
        return self.batches.size

    @property
    def progress(self) -> float:
        """The share of the budget used, 0 to 1; of a budget of time, 1 when no further step and look fit into it."""
        total = self.options.total_steps(self.batches.source.rows, self.batch)
        if total is not None:
            return self.step / total
        assert self.options.budget is not None
        last_look = self._seconds_to_decide() if self.looks else 0.0
        return min(1.0, (self.seconds + self.step_seconds + last_look) / self.options.budget)

    def run(
        self,
        interrupts: Interrupts,
        watch: Watch | None,
        save: Callable[["GradientTraining"], None] | None,
        *,
        keep_start: bool = False,
    ) -> History:
        """Train until the budget is used, validation stops improving, or someone interrupts; keep the best weights.

        `save` keeps the state of the training, every `save_seconds` and at the end. `keep_start`: the weights it begins
        with may be the best.
        """
        began = time.perf_counter() - self.seconds
        if self.step == 0 and self.options.budget is not None:
            self._suit_the_budget(self.options.budget)
        if self.step == 0 and keep_start and self.looks is not None:
            self.looks.look(0, 0.0)
        saved = time.perf_counter()
        while not self.history.stopped:
            before = self.looks.seconds if self.looks else 0.0
            started = time.perf_counter()
            step = self._advance(began)
            looked = self.looks.seconds - before if self.looks else 0.0
            self.step_seconds = time.perf_counter() - started - looked
            if watch:
                watch(step)
            if interrupts.asked:
                self.history.stopped = "interrupted"
            if save and (self.history.stopped or time.perf_counter() - saved >= self.options.save_seconds):
                save(self)
                saved = time.perf_counter()
        self.finish(decide=not interrupts.asked)
        self.seconds = self.history.seconds = time.perf_counter() - began
        return self.history

    def finish(self, *, decide: bool = False) -> None:
        """Leave the best weights in the model: the best validated average, or without validation the last one.

        Args:
            decide: between the best two, on more rows than looks saw.
        """
        best = self.looks.decide(self._rows_to_decide() if decide else 0) if self.looks else None
        if best is None:
            self.average.load(self.average.average)
        else:
            assert self.looks is not None
            self.history.best_step, self.history.best_nats = best
            self.history.set_aside = self.looks.set_aside
        self.history.steps, self.history.seconds = self.step, self.seconds
        self.history.epochs = self.step / self.batches.in_epoch

    def _advance(self, began: float | None = None) -> Step:
        """One step; when a look is due it is made, and recorded with the mean objective since the last one."""
        nats, grad_norm, lr = self._update()
        self.recent.append(nats)
        self.step += 1
        if began is not None:
            self.seconds = time.perf_counter() - began
        progress = self.progress
        over = progress >= 1.0 or (self.fall is not None and self.fall.done(self.step, progress) >= 1.0)
        step = Step(self.step, self.seconds, progress, nats, None, lr, grad_norm)
        if over or self._look_is_due(progress):
            step = replace(step, valid_nats=self._look(progress))
            self.history.rows.append(replace(step, nats=sum(self.recent) / len(self.recent)))
            self.recent = []
        if over:
            self.history.stopped = "budget used" if progress >= 1.0 else "no better on validation"
        elif self.fall is None and self._overfits():
            self._fall(progress)
        return step

    def _update(self) -> tuple[float, float, float]:
        x, context = self.batches.at(self.step)
        lr = self.options.lr * factor(self.step, self.progress, self.options.warmup, self.fall)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        nats, norm = self._gradient(x, context, self.batches.weights_at(self.step))
        self.optimizer.step()
        self.average.update(self.step if self.fall is None else self.step - self.fall.step)
        return nats, norm, lr

    def _gradient(self, x: Tensor, context: Tensor | None, weights: Tensor | None = None) -> tuple[float, float]:
        """The mean objective of a batch and the norm of its gradient, which is left, clipped, in the parameters."""
        self.model.train()
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self._half_precision(x.device)):
            objective = self._objective(x, context)
            nats = (objective if weights is None else weights * objective).mean() + self._log_prior()
        if not math.isfinite(float(nats.detach())):
            raise Diverged(self._not_finite(x, context), self.step)
        self.optimizer.zero_grad(set_to_none=True)
        (-nats / self.model.space.dims).backward()
        norm = clipped(self.parameters, self.options.clip)
        if not math.isfinite(norm):
            raise Diverged(self._infinite_gradient(), self.step)
        return float(nats.detach()), norm

    def _objective(self, x: Tensor, context: Tensor | None) -> Tensor:
        if not self.batches.carry:
            return objective_of(self.model, self.model.objective(x, context), len(x))
        state = None if self.batches.begins_epoch(self.step) else self.carried
        nats, self.carried = self.model.log_likelihood_from(x, None if state is None else state[: len(x)], context)
        return nats

    def _log_prior(self) -> Tensor | float:
        """Its share of one event, log p(theta) / N: over an epoch it is counted once."""
        own = self.model.log_prior() if self.model.has_prior else 0.0
        given = 0.0 if self.prior is None else self.prior(self.model)
        return (own + given) / self.batches.count

    def _half_precision(self, device: torch.device) -> bool:
        if self.options.precision == "auto":
            return device.type == "cuda" and torch.cuda.is_bf16_supported()
        return self.options.precision == "bfloat16"

    def _look_is_due(self, progress: float) -> bool:
        if self.looks is None:
            return progress * self.options.evaluations >= len(self.history.rows) + 1 - 1e-9  # to record the objective
        if self.options.budget is not None and not self.looks.affordable(self.seconds):
            return False
        if self.fall is None:
            return self.looks.due(self.step, progress, self.batch)
        return self.looks.due(self.step, progress, self.batch, FALL_LOOKS)

    def _look(self, progress: float) -> float | None:
        """Score the averaged weights on the validation rows, and keep them if they are the best so far."""
        if self.looks is None:
            return None
        with self.average.in_place():
            nats, better = self.looks.look(self.step, progress)
        if better:
            self.history.best_nats, self.history.best_step = nats, self.step
        return nats

    def _overfits(self) -> bool:
        if self.looks is None or not self.looks.candidates:
            return False
        return self.looks.not_better >= self.options.looks_to_wait and self.step >= LEAST_STEPS

    def _fall(self, progress: float) -> None:
        """Go back to the best weights; from there the learning rate falls to 0."""
        assert self.looks is not None
        best = self.looks.candidates[0]
        self.model.load_state_dict(best.weights)
        self.average.average = [p.detach().clone() for p in self.parameters]
        self.optimizer.state.clear()  # the moments belong to other weights
        self.fall = Fall.after(best.step, self.step, progress)

    def _suit_the_budget(self, budget: float) -> None:
        """Choose the batch, and the rows of a look, by the measured time of a step."""
        kept = {name: t.detach().clone() for name, t in self.model.state_dict().items()}
        measured: dict[int, float] = {}

        def timed(rows: int) -> float:
            self.batches.size = rows
            started = time.perf_counter()
            self._gradient(*self.batches.at(0))
            measured[rows] = time.perf_counter() - started
            return measured[rows]

        size = self.batches.size
        with seeded(self.options.seed):
            if self.options.batch is None:
                size = fitting_batch(size, budget - self.seconds, timed)
            else:
                timed(min(size, LEAST_BATCH))  # the first one may compile
                timed(size)
        self.batches.size = self.history.batch = size
        self.carried = None
        self.optimizer.zero_grad(set_to_none=True)
        self.model.load_state_dict(kept)
        if self.looks is not None:
            each = measured[size] / size / PASSES
            self.looks.limit_rows(min(self.looks.part.rows, int(LOOK_SHARE * budget / each)))

    def _rows_to_decide(self) -> int:
        """How many rows each of the last candidates may score: half of the work that looks may take."""
        if self.looks is None or not self.looks.candidates:
            return 0
        if self.options.budget is None:
            rows = 0.5 * SHARE * PASSES * self.batch * self.step
        else:
            seconds = 0.5 * SHARE * self.options.budget - self.looks.last_seconds
            rows = seconds / max(self.looks.last_seconds, 1e-9) * self.looks.part.rows
        return int(rows / len(self.looks.candidates))

    def _seconds_to_decide(self) -> float:
        """The last look, and the decision where it takes one."""
        assert self.looks is not None
        last = self.looks.last_seconds
        if self.looks.whole:
            return last
        rows = max(0, min(self._rows_to_decide(), self.looks.valid.rows))
        return last + last / self.looks.part.rows * rows * len(self.looks.candidates)

    def _not_finite(self, x: Tensor, context: Tensor | None) -> str:
        """The name of the value that is not finite: a term of the bound if one is not, otherwise the objective."""
        with torch.no_grad():
            terms = self.model.elbo_terms(x, context)
        bad = [name for name, term in terms.items() if not bool(torch.isfinite(term).all())]
        return f"the term {bad[0]!r} of the bound" if bad else "the objective"

    def _infinite_gradient(self) -> str:
        for name, p in self.model.named_parameters():
            if p.grad is not None and not bool(torch.isfinite(p.grad).all()):
                return f"the gradient of {name!r}"
        return "the norm of the gradient"


def clipped(parameters: Sequence[Tensor], longest: float) -> float:
    """The norm of the whole gradient, before it is scaled in place to at most `longest`."""
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if norm > longest:  # a multiplication by 1 would cost as much
        torch.nn.utils.clip_grads_with_norm_(parameters, longest, norm)
    return float(norm)
