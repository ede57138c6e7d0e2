"""The gradient loop: AdamW, warm-up and cosine, clipping, averaged weights, early stopping, exact resume."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from loglik.contract import LatentModel, Model
from loglik.data import Memory
from loglik.data.windows import side_by_side
from loglik.errors import Diverged
from loglik.inference.evaluate import evaluating, scored
from loglik.inference.randomness import seeded
from loglik.training.average import AveragedWeights
from loglik.training.history import History, Step
from loglik.training.interrupts import Interrupts
from loglik.training.options import Options

Watch = Callable[[Step], None]


LEAST_STEPS = 200  # before this nothing is concluded from a validation that gets no better
RESIDENT_BYTES = 2 << 30  # training rows of up to so many bytes stay on the model's device


class GradientTraining:
    """One training of one model; everything that the next step depends on is in here, so it can be saved and restored.

    The batch of step t follows from the seed and t alone. On a stream, a model that carries a state reads as many
    streams side by side as a batch has rows, window by window, and begins anew with each epoch. Noise comes from
    torch's global generator, whose state is part of the training state; validation draws its own, so that looking does
    not change the run.
    """

    def __init__(self, model: Model, train: Memory, valid: Memory | None, options: Options) -> None:
        self.model, self.train, self.valid, self.options = model, near(model, train), valid, options
        self.carry = options.carry and train.stream and model.carries
        self.batch = options.batch_rows(train.rows, model.space.dims, carry=self.carry)
        self.total_steps = options.total_steps(train.rows, self.batch)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        decayed = [p for p in self.parameters if p.ndim >= 2]
        plain = [p for p in self.parameters if p.ndim < 2]
        groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=options.lr, fused=True)
        self.average = AveragedWeights(self.parameters, options.ema)
        self.best: dict[str, Tensor] = {}
        self.history = History("gradients")
        self.carried: Tensor | None = None  # what the model remembers of each stream
        self.step = 0
        self.validations = 0
        self.not_better = 0
        self.recent: list[float] = []  # training objectives since the last validation
        self.seconds = 0.0

    @property
    def progress(self) -> float:
        """The share of the budget used, 0 to 1."""
        if self.total_steps is not None:
            return self.step / self.total_steps
        assert self.options.budget is not None
        return min(1.0, self.seconds / self.options.budget)

    def run(
        self, interrupts: Interrupts, watch: Watch | None, save: Callable[["GradientTraining"], None] | None
    ) -> History:
        """Train until the budget is used, validation stops improving, or someone interrupts; keep the best weights.

        `save` keeps the state of the training, every `save_seconds` and at the end.
        """
        saved = time.perf_counter()
        while not self.history.stopped:
            started = time.perf_counter()
            step = self._advance()
            self.seconds += time.perf_counter() - started
            if watch:
                watch(step)
            if interrupts.asked:
                self.history.stopped = "interrupted"
            if save and (self.history.stopped or time.perf_counter() - saved >= self.options.save_seconds):
                save(self)
                saved = time.perf_counter()
        self.finish()
        return self.history

    def finish(self) -> None:
        """Leave the best weights in the model: the best validated average, or the last one."""
        if self.best:
            self.model.load_state_dict(self.best)
        else:
            self.average._load(self.average.average)
        self.history.steps, self.history.seconds = self.step, self.seconds

    def _advance(self) -> Step:
        """One step; when a validation is due it is made, and recorded with the mean objective since the last one."""
        nats, grad_norm, lr = self._update()
        self.recent.append(nats)
        self.step += 1
        step = Step(self.step, self.seconds, self.progress, nats, None, lr, grad_norm)
        due = math.floor(self.progress * self.options.evaluations + 1e-9)
        if due > self.validations or self.progress >= 1.0:
            self.validations = due
            step = replace(step, valid_nats=self._validate())
            self.history.rows.append(replace(step, nats=sum(self.recent) / len(self.recent)))
            self.recent = []
        if self.progress >= 1.0:
            self.history.stopped = "budget used"
        elif self.not_better >= self.options.patience and self.step >= LEAST_STEPS:
            self.history.stopped = "no better on validation"
        return step

    def _update(self) -> tuple[float, float, float]:
        x, context = self._batch()
        lr = self.options.lr * self._schedule()
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.model.train()
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self._half_precision(x.device)):
            nats = self._objective(x, context).mean()
        if not math.isfinite(float(nats.detach())):
            raise Diverged(self._not_finite(x, context), self.step)
        self.optimizer.zero_grad(set_to_none=True)
        (-nats / self.model.space.dims).backward()  # type: ignore[no-untyped-call]
        norm = clipped(self.parameters, self.options.clip)
        if not math.isfinite(norm):
            raise Diverged(self._infinite_gradient(), self.step)
        self.optimizer.step()
        self.average.update(self.step)
        return float(nats.detach()), norm, lr

    def _objective(self, x: Tensor, context: Tensor | None) -> Tensor:
        if not self.carry:
            return self.model.objective(x, context)
        state = self.carried if self._epoch_and_place()[1] else None
        nats, self.carried = self.model.log_likelihood_from(x, None if state is None else state[: len(x)], context)
        return nats

    def _epoch_and_place(self) -> tuple[int, int]:
        return divmod(self.step, -(-self.train.rows // self.batch))

    def _batch(self) -> tuple[Tensor, Tensor | None]:
        rows, size = self.train.rows, self.batch
        epoch, place = self._epoch_and_place()
        if self.carry:
            index = next(side_by_side(rows, size, place))
        else:
            order = torch.randperm(rows, generator=torch.Generator().manual_seed(self.options.seed * 1_000_003 + epoch))
            index = order[place * size : (place + 1) * size]
        device = self.model.device
        x, context = self.train.take(index.to(self.train.x.device))
        return x.to(device), None if context is None or self.model.context is None else context.to(device)

    def _schedule(self) -> float:
        """The factor on the learning rate: up linearly, then down as a cosine."""
        progress, warmup = self.progress, self.options.warmup
        if progress < warmup:
            return (progress + 1e-3) / (warmup + 1e-3)
        return 0.5 * (1.0 + math.cos(math.pi * (progress - warmup) / (1.0 - warmup)))

    def _half_precision(self, device: torch.device) -> bool:
        if self.options.precision == "auto":
            return device.type == "cuda" and torch.cuda.is_bf16_supported()
        return self.options.precision == "bfloat16"

    def _validate(self) -> float | None:
        """Score the averaged weights on the validation rows, and keep them if they are the best so far."""
        if self.valid is None:
            return None
        with self.average.in_place():
            with seeded(self.options.seed), evaluating(self.model):
                carry = self.carry and self.valid.stream
                nats = float(torch.cat([values for _, values in scored(self.model, self.valid, carry=carry)]).mean())
            if math.isfinite(nats) and (self.history.best_nats is None or nats > self.history.best_nats):
                self.history.best_nats, self.history.best_step = nats, self.step
                self.best = {name: t.detach().clone() for name, t in self.model.state_dict().items()}
                self.not_better = 0
            else:
                self.not_better += 1
        return nats

    def _not_finite(self, x: Tensor, context: Tensor | None) -> str:
        """The name of what is not finite: a term of the bound if it shows there, otherwise the objective."""
        with torch.no_grad():
            terms = self.model.elbo_terms(x, context) if isinstance(self.model, LatentModel) else {}
        bad = [name for name, term in terms.items() if not bool(torch.isfinite(term).all())]
        return f"the term {bad[0]!r} of the bound" if bad else "the objective"

    def _infinite_gradient(self) -> str:
        for name, p in self.model.named_parameters():
            if p.grad is not None and not bool(torch.isfinite(p.grad).all()):
                return f"the gradient of {name!r}"
        return "the norm of the gradient"


def clipped(parameters: Sequence[Tensor], longest: float) -> float:
    """The norm of the whole gradient, which is shortened in place where it is longer than that."""
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if norm > longest:  # to multiply all of it by 1 would take its time too
        torch.nn.utils.clip_grads_with_norm_(parameters, longest, norm)
    return float(norm)


def near(model: Model, rows: Memory) -> Memory:
    """The rows on the model's device, if they fit: no step then waits for a transfer."""
    if rows.x.numel() * rows.x.element_size() > RESIDENT_BYTES or rows.x.device == model.device:
        return rows
    context = None if rows.context is None else rows.context.to(model.device)
    return rows.replaced(rows.x.to(model.device), context, stream=rows.stream)
