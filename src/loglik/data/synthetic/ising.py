"""Ising grids of known entropy: exact likelihood and exact draws by the transfer matrix (Kramers, Wannier 1941)."""

import torch
from torch import Generator, Tensor

from loglik.data.builtin.entry import Builtin
from loglik.data.source import Dataset
from loglik.data.synthetic.drawn import drawn
from loglik.errors import UsageError
from loglik.ops import sum_event
from loglik.spaces import Integer

WIDEST = 12  # the transfer matrix has 2^W rows: 128 MB in float64 at 12


class Ising:
    """Spins s = 2x - 1 on an H x W grid with free edges, x in {0, 1}.

        p(x) = exp(-E(x)) / Z,   -E(x) = coupling sum_{neighbours} s_i s_j + field sum_i s_i

    Row by row it is a Markov chain on 2^W states. With w(r) the weight within row r and t(r, r') that between rows,

        m_H(r) = 1,   m_i(r) = sum_r' t(r, r') w(r') m_{i+1}(r'),   Z = sum_r w(r) m_1(r)

    p(row_1 = r) = w(r) m_1(r) / Z and p(row_{i+1} = r' | row_i = r) = t(r, r') w(r') m_{i+1}(r') / m_i(r), so draws are
    exact, not those of a Markov chain run for long. The entropy is log Z - d log Z(b)/db at b = 1, b scaling -E.
    """

    def __init__(self, height: int, width: int, coupling: float, field: float = 0.0) -> None:
        if not 1 <= width <= WIDEST or height < 1:
            raise UsageError(f"Expected a grid of width 1..{WIDEST} and height 1 or more; got {height} x {width}.")
        self.height, self.width, self.coupling, self.field = height, width, coupling, field
        self.space = Integer((1, height, width), 2)
        bits = torch.arange(2**width)[:, None] >> torch.arange(width - 1, -1, -1) & 1
        self._rows = bits.to(torch.uint8)  # (2^W, W)
        one = torch.ones((), dtype=torch.float64)
        self._log_messages = self._messages(one)  # m_1..m_H, (H, 2^W)
        self.log_Z = float((self._log_within(one) + self._log_messages[0]).logsumexp(dim=0))

    def log_prob(self, x: Tensor) -> Tensor:
        """(n, 1, H, W) -> (n,): log p in nats, float64."""
        s = 2.0 * x.double() - 1.0
        bonds = sum_event(s[..., 1:, :] * s[..., :-1, :]) + sum_event(s[..., 1:] * s[..., :-1])
        return self.coupling * bonds + self.field * sum_event(s) - self.log_Z

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n grids, (n, 1, H, W) in uint8."""
        one = torch.ones((), dtype=torch.float64)
        log_weight = self._log_within(one) + self._log_messages  # (H, 2^W)
        first = torch.softmax(log_weight[0], dim=0)
        state = torch.multinomial(first, n, replacement=True, generator=generator)
        rows = [state]
        for log_w in log_weight[1:]:
            following = torch.softmax(self._log_between(one) + log_w, dim=1)  # (2^W, 2^W), p(row' | row)
            state = torch.multinomial(following[state], 1, generator=generator)[:, 0]
            rows.append(state)
        return self._rows[torch.stack(rows, dim=1)].unsqueeze(1)

    @property
    def entropy(self) -> float:
        """In nats per grid."""
        b = torch.ones((), dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            log_Z = (self._log_within(b) + self._messages(b)[0]).logsumexp(dim=0)
            (mean_energy,) = torch.autograd.grad(log_Z, b)
        return float(log_Z.detach() - mean_energy)

    def _messages(self, b: Tensor) -> Tensor:
        log_m = [torch.zeros(2**self.width, dtype=torch.float64)]
        for _ in range(self.height - 1):
            log_m.append((self._log_between(b) + self._log_within(b) + log_m[-1]).logsumexp(dim=1))
        return torch.stack(log_m[::-1])

    def _log_within(self, b: Tensor) -> Tensor:
        """log w(r), (2^W,)."""
        s = 2.0 * self._rows.double() - 1.0
        return b * (self.coupling * (s[:, 1:] * s[:, :-1]).sum(dim=1) + self.field * s.sum(dim=1))

    def _log_between(self, b: Tensor) -> Tensor:
        """log t(r, r'), (2^W, 2^W)."""
        s = 2.0 * self._rows.double() - 1.0
        return b * self.coupling * (s @ s.T)


def load_ising() -> Dataset:
    """20 000 / 2000 / 10 000 grids of 8 x 8 at the critical coupling log(1 + sqrt 2) / 2 of the endless grid."""
    grid = Ising(8, 8, coupling=0.44068679350977147)
    return drawn(ISING.name, grid.space, sample=grid.sample, log_density=grid.log_prob, entropy=grid.entropy)


ISING = Builtin("ising", load_ising, "Integer(1, 8, 8) with 2 levels", "magnetic spins; log p and entropy known")
