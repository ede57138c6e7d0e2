"""The density that a posterior is drawn from: log p(X, theta) as a function of one vector of all weights."""

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.data import Memory
from loglik.errors import Diverged
from loglik.inference.posterior.priors import Prior

ROWS_AT_ONCE = 4096


class LogJoint:
    """log p(X | theta) + log p(theta) of a model, in float64, with its derivatives; the model itself is left alone.

    theta is (d,): the trainable parameters in the order of `named_parameters`. Nets run in evaluation mode.
    """

    def __init__(self, model: Model, rows: Memory, prior: Prior | None) -> None:
        self.model = copy.deepcopy(model).double().eval()
        self.prior = prior
        self.x = rows.x.to(model.device)
        takes = rows.context is not None and model.context is not None
        self.context = rows.context.to(model.device) if takes and rows.context is not None else None
        named = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        self.names, self.parameters = [name for name, _ in named], [p for _, p in named]
        self.start = torch.cat([p.detach().reshape(-1) for p in self.parameters])

    @property
    def rows(self) -> int:
        return len(self.x)

    def state(self, theta: Tensor) -> dict[str, Tensor]:
        """The weights by name."""
        sizes = [p.numel() for p in self.parameters]
        parts = theta.detach().split(sizes)
        return {n: t.reshape(p.shape) for n, p, t in zip(self.names, self.parameters, parts, strict=True)}

    def put(self, theta: Tensor) -> None:
        with torch.no_grad():
            for p, t in zip(self.parameters, self.state(theta).values(), strict=True):
                p.copy_(t)

    def log_prior(self) -> Tensor:
        """log p(theta) of the weights that were put: that of the model itself and the one that was given, ()."""
        own = self.model.log_prior() if self.model.has_prior else torch.zeros((), dtype=torch.float64)
        return own if self.prior is None else own + self.prior(self.model)

    def events(self, index: Tensor) -> Tensor:
        """(B,): log p(x_n | theta) of the rows of this index under the weights that were put."""
        context = None if self.context is None else self.context[index]
        return self.model.log_likelihood(self.x[index], context)

    def parts(self) -> Iterator[Tensor]:
        return iter(torch.arange(self.rows).split(ROWS_AT_ONCE))

    def gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        """log p(X, theta) and its gradient (d,)."""
        self.put(theta)
        value, total = 0.0, torch.zeros_like(theta)
        for index in self.parts():
            nats = self.events(index).sum()
            total += self._flat(torch.autograd.grad(nats, self.parameters, allow_unused=True))
            value += float(nats.detach())
        if self.prior is not None or self.model.has_prior:
            log_p = self.log_prior()
            total += self._flat(torch.autograd.grad(log_p, self.parameters, allow_unused=True))
            value += float(log_p.detach())
        return value, total

    def noisy_gradient(self, theta: Tensor, batch: int) -> Tensor:
        """An unbiased estimate of the gradient, from `batch` rows drawn at random."""
        self.put(theta)
        index = torch.randint(self.rows, (batch,))
        nats = self.events(index).mean() * self.rows
        if self.prior is not None or self.model.has_prior:
            nats = nats + self.log_prior()
        return self._flat(torch.autograd.grad(nats, self.parameters, allow_unused=True))

    def fisher(self, theta: Tensor) -> Tensor:
        """(d,): sum_n of the squared gradients of log p(x_n | theta), the diagonal of the empirical Fisher matrix."""
        self.put(theta)
        total = torch.zeros_like(theta)
        for n in range(self.rows):
            nats = self.events(torch.tensor([n])).sum()
            total += self._flat(torch.autograd.grad(nats, self.parameters, allow_unused=True)).square()
        return total

    def hessian(self, theta: Tensor, columns: Tensor) -> Tensor:
        """(C, d): rows of the Hessian of -log p(X | theta), without the prior; one backward pass for each."""
        self.put(theta)
        total = torch.zeros(len(columns), len(theta), dtype=theta.dtype)
        for index in self.parts():
            found = torch.autograd.grad(
                -self.events(index).sum(), self.parameters, create_graph=True, allow_unused=True
            )
            flat = self._flat(found)
            for row, column in enumerate(columns.tolist()):
                if flat[column].requires_grad:
                    again = torch.autograd.grad(flat[column], self.parameters, retain_graph=True, allow_unused=True)
                    total[row] += self._flat(again)
        return total

    def mode(self, *, passes: int = 500) -> Tensor:
        """The nearest maximum of log p(X, theta), by L-BFGS on all rows from the weights of the model.

        Raises:
            Diverged: the joint density is not finite on the way.
        """
        theta = self.start.clone().requires_grad_(True)
        search = torch.optim.LBFGS(
            [theta], max_iter=passes, tolerance_grad=1e-9, tolerance_change=1e-14, line_search_fn="strong_wolfe"
        )

        def lose() -> float:
            value, slope = self.gradient(theta.detach())
            if not math.isfinite(value):
                raise Diverged("the joint density", 0)
            theta.grad = -slope
            return -value

        search.step(lose)
        return theta.detach()

    def _flat(self, grads: tuple[Tensor | None, ...]) -> Tensor:
        parts = [
            torch.zeros_like(p).reshape(-1) if g is None else g.reshape(-1)
            for p, g in zip(self.parameters, grads, strict=True)
        ]
        return torch.cat(parts)
