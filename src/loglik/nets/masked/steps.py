"""A masked net evaluated value by value while sampling: every hidden unit is computed once, as soon as it can be.

D values cost about what one pass does, not D passes.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.compiled.drawing import NORMAL, Drawing, drawing_of
from loglik.compiled.threads import in_threads
from loglik.compiled.worth import worth_compiling
from loglik.nets.causal import Draws, Steps
from loglik.nets.masked.units import Connected, SortedUnits

WORTH_COMPILING = 8192  # values to draw; fewer are drawn before a compiler has started
EVENTS = 128  # that a compiled loop takes at once: enough for vector units, and their hidden units fit into a cache


class MaskedSteps(Steps):
    """At step t value t of the order is asked, and t values are known: units that see at most t of them are complete.

    Units units[l][t-1]..units[l][t] of every layer l are new then.
    """

    def __init__(self, net: Connected, n: int, context: Tensor | None) -> None:
        self.sorted = SortedUnits(net, context)
        self.n, self.place = n, 0
        blank = self.sorted.direct
        self.x = blank.new_empty(self.sorted.dims * net.inputs, n)
        self.h = [blank.new_empty(len(w), n) for w in self.sorted.hidden]

    def compiled_for(self, draws: object) -> Drawing | None:
        """How a compiled loop would draw as `draws` does; None where it cannot, or is not worth starting."""
        return drawing_of(draws) if worth_compiling(self.x, self.n * self.sorted.dims, WORTH_COMPILING) else None

    def run(self, draws: Draws, noise: Tensor, given: Tensor) -> Tensor:
        """The whole loop compiled, on the CPU and for heads that say how they draw; else step by step."""
        drawing = self.compiled_for(draws)
        if drawing is None:
            return super().run(draws, noise, given)
        return self.compiled(drawing, noise, given)[0]

    def compiled(self, drawing: Drawing, noise: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Values (D, n), and of normals the sum of their log-scales (n,); events are shared out to torch's threads."""
        from loglik.nets.masked.kernel import generate  # numba is slow to load

        net = self.sorted
        empty = net.direct.new_empty(0)
        last = net.direct[:, :0] if net.last is None else net.last
        first = net.biases[0] if net.biases else empty.reshape(0, 1)
        sizes = np.array([len(w) for w in net.hidden], dtype=np.int64)
        units = np.array(net.units, dtype=np.int64).reshape(len(sizes), net.dims)
        weights = torch.cat([empty, *(w.flatten() for w in net.hidden)]).numpy()
        biases = torch.cat([empty, *net.bias]).unsqueeze(1).numpy()
        direct, onward = net.direct.contiguous().numpy(), last.contiguous().numpy()
        values, log_scales = self.x.new_zeros(net.dims, self.n), self.x.new_zeros(self.n)
        values[: len(given)] = given
        noise = noise.squeeze(-1).to(values.dtype)

        def fill(start: int, stop: int) -> None:
            events = slice(start, stop)
            part = values[:, events].contiguous()
            own_first, own_out = (_columns(b, events).numpy() for b in (first, net.out_biases))
            own_noise = noise[:, events].contiguous().numpy()
            generate(
                part.numpy(), log_scales[events].numpy(), own_noise, len(given), weights, sizes, units,
                own_first, biases, direct, onward, own_out, net.inputs, net.outputs, drawing.kind, drawing.limit,
            )  # fmt: skip
            values[:, events] = part

        at_once = max(1, min(EVENTS, -(-self.n // torch.get_num_threads())))
        in_threads(fill, [(start, min(start + at_once, self.n)) for start in range(0, self.n, at_once)])
        return values if drawing.kind == NORMAL else values.long(), log_scales

    def __call__(self, previous: Tensor | None) -> Tensor:
        net, t = self.sorted, self.place
        known = t * net.inputs
        if previous is not None:
            self.x[known - net.inputs : known] = previous.T
        below, width = self.x, known
        for weight, bias, h, units in zip(net.hidden, net.biases, self.h, net.units, strict=True):
            new = slice(units[t - 1] if t else 0, units[t])
            if new.stop > new.start:
                h[new] = F.relu(torch.addmm(bias[new], weight[new, :width], below[:width]))
            below, width = h, units[t]
        rows = slice(t * net.outputs, (t + 1) * net.outputs)
        out = torch.addmm(net.out_biases[rows], net.direct[rows, :known], self.x[:known])
        if net.last is not None:
            out = torch.addmm(out, net.last[rows, :width], below[:width])
        self.place += 1
        return out.T


def _columns(bias: Tensor, events: slice) -> Tensor:
    """The events' own columns of a bias that has them."""
    return (bias[:, events] if bias.shape[1] > 1 else bias).contiguous()
