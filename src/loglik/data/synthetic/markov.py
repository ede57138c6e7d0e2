"""Text of known entropy: strings of a stationary Markov source over letters (Shannon 1948, sections 2-7)."""

import itertools

import numpy as np
import torch
from torch import Generator, Tensor

from loglik.data.builtin.entry import Builtin
from loglik.data.source import Dataset
from loglik.data.synthetic.drawn import drawn
from loglik.errors import UsageError
from loglik.spaces import Category


class MarkovText:
    """Strings x_1..x_T, each letter drawn given the k before it, the first k from the stationary distribution pi.

        log p(x) = log pi(x_1..x_k) + sum_{t>k} log P(x_t | x_{t-k}..x_{t-1})
        H        = H(pi) + (T - k) h,   h = -sum_s pi(s) sum_a P(a|s) log P(a|s)     nats per string

    Both are exact: started from pi the source stays in it, so each letter after the k-th adds the same h.

    Args:
        transition: P, (levels,) * k + (levels,): the next letter's probabilities, positive; the last axis sums to 1.
        length: T, at least k.
    """

    def __init__(self, transition: Tensor, length: int) -> None:
        self.levels, self.order, self.length = transition.shape[-1], transition.ndim - 1, length
        if self.order < 1 or length < self.order:
            raise UsageError(f"Expected an order of 1 up to the length; got {self.order} with length {length}.")
        states = self.levels**self.order
        self.P = transition.double().reshape(states, self.levels)  # row s: the last k letters, the oldest first
        self.pi = stationary(self.P)  # (levels^k,)
        self.space = Category((length,), self.levels)

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n strings, (n, T) in uint8."""
        state = torch.multinomial(self.pi, n, replacement=True, generator=generator)
        x = torch.empty(n, self.length, dtype=torch.int64)
        for i in range(self.order):
            x[:, i] = state // self.levels ** (self.order - 1 - i) % self.levels
        for t in range(self.order, self.length):
            x[:, t] = torch.multinomial(self.P[state], 1, generator=generator)[:, 0]
            state = (state * self.levels + x[:, t]) % len(self.pi)
        return x.to(torch.uint8)

    def log_prob(self, x: Tensor) -> Tensor:
        """(n, T) -> (n,): log p of each string in nats, float64."""
        place = self.levels ** torch.arange(self.order - 1, -1, -1)
        states = (x.long().unfold(1, self.order, 1) * place).sum(dim=-1)  # (n, T - k + 1)
        steps = self.P.log()[states[:, :-1], x.long()[:, self.order :]]  # (n, T - k)
        return self.pi.log()[states[:, 0]] + steps.sum(dim=1)

    @property
    def entropy(self) -> float:
        """H, in nats per string."""
        rate = -(self.pi[:, None] * self.P * self.P.log()).sum()
        return float(-(self.pi * self.pi.log()).sum() + (self.length - self.order) * rate)


def stationary(P: Tensor) -> Tensor:
    """(levels^k, levels) -> (levels^k,): the distribution of the last k letters that one more letter leaves as it is.

    The unique solution of pi A = pi, sum(pi) = 1, where A moves s = (s_1..s_k) to (s_2..s_k, a); unique as P > 0.
    """
    states, levels = P.shape
    A = torch.zeros(states, states, dtype=torch.float64)
    for s, a in itertools.product(range(states), range(levels)):
        A[s, (s * levels + a) % states] += P[s, a]
    system = torch.cat([A.T - torch.eye(states, dtype=torch.float64), torch.ones(1, states, dtype=torch.float64)])
    right = torch.zeros(states + 1, 1, dtype=torch.float64)
    right[-1] = 1.0
    pi: Tensor = torch.linalg.lstsq(system, right).solution[:, 0]
    return pi.clamp_min(0.0)


def uneven_transition(levels: int, order: int, seed: int) -> Tensor:
    """A transition table where, after any letters, few next ones are likely: cubes of exponential draws, normalised.

    Made from PCG64's raw uniforms, the part of numpy's generators that stays the same from version to version.
    """
    u = np.random.Generator(np.random.PCG64(seed)).random((levels,) * (order + 1))
    weight = torch.from_numpy((-np.log1p(-u)) ** 3 + 1e-3)
    return weight / weight.sum(dim=-1, keepdim=True)


def load_markov() -> Dataset:
    """20 000 / 2000 / 10 000 strings of 32 letters out of 12, each depending on the two before it."""
    text = MarkovText(uneven_transition(levels=12, order=2, seed=0), length=32)
    return drawn(MARKOV.name, text.space, sample=text.sample, log_density=text.log_prob, entropy=text.entropy)


MARKOV = Builtin("markov", load_markov, "Category(32,) with 12 levels", "random text; log p and entropy known")
