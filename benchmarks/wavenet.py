"""Sampling from WaveNet on a CPU: 2 x 10 dilations, 32 channels, 128 skip channels, 256 levels, one stream.

After a given beginning of one receptive field, a second of 8 kHz sound is drawn: 8000 values. The peers are the sampler
that people write first, a pass over the last 2047 values for each new one; a pass over the whole event for each; and
the queues of Fast WaveNet one torch call after the other. They draw some of the values, extrapolated to all. Ours runs
through the beginning too, and is charged for it. Below 1000 ms is faster than real time.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.harness import OURS, Contender, Row
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.wavenet.model import wavenet
from loglik.models.autoregressive.wavenet.net import WaveNetNet
from loglik.nets.causal import Steps
from loglik.spaces import Integer

SECOND = 8_000  # values
FIELD = 2_047
COMPARED = 3  # values that all contenders draw with the same noise


@functools.lru_cache(maxsize=1)
def start() -> tuple[Autoregressive, Tensor, Tensor]:
    """A model with weights at random, the given beginning (FIELD, 1), and noise for all time steps."""
    torch.manual_seed(0)
    model = wavenet(Integer((FIELD + SECOND,), 256), layers=10, blocks=2, width=32, skip=128)
    assert isinstance(model, Autoregressive)
    assert isinstance(model.net, WaveNetNet)
    assert model.net.receptive_field == FIELD
    torch.nn.init.normal_(model.net.last.weight, std=0.1)
    noise = model.head.noise((FIELD + SECOND, 1), torch.empty(0))
    return model, torch.randint(256, (FIELD, 1)), noise


def drawing(draw: Callable[[int], Tensor], values: int) -> Contender:
    """`draw(k)` gives the first k values after the beginning."""
    return Contender(
        step=lambda: draw(values), value=lambda: float(draw(COMPARED).double().mean()), share=values / SECOND
    )


def compiled() -> Contender:
    model, beginning, noise = start()

    @torch.no_grad()
    def draw(k: int) -> Tensor:
        return model.steps(1).run(model.head, noise[: FIELD + k], beginning)[FIELD:, 0]

    return drawing(draw, SECOND)


def a_field_for_each() -> Contender:
    model, beginning, noise = start()

    @torch.no_grad()
    def draw(k: int) -> Tensor:
        x = beginning[:, 0]
        for t in range(FIELD, FIELD + k):
            # One value more, which nothing sees, so that the last output is that of the next time step.
            window = torch.cat([x[-FIELD:], x.new_zeros(1)])[None]
            params = model.net(model.head.encode(window, torch.float32))[:, -1]
            x = torch.cat([x, model.head.sample(params, noise[t])])
        return x[FIELD:]

    return drawing(draw, 4)


def a_pass_for_each() -> Contender:
    model, beginning, noise = start()

    @torch.no_grad()
    def draw(k: int) -> Tensor:
        x = torch.zeros(1, FIELD + SECOND, dtype=torch.long)
        x[0, :FIELD] = beginning[:, 0]
        for t in range(FIELD, FIELD + k):
            x[:, t] = model.head.sample(model.conditionals(x)[:, t], noise[t])
        return x[0, FIELD : FIELD + k]

    return drawing(draw, 2)


def eager_queues() -> Contender:
    model, beginning, noise = start()

    @torch.no_grad()
    def draw(k: int) -> Tensor:
        return Steps.run(model.steps(1), model.head, noise[: FIELD + k], beginning)[FIELD:, 0]

    # It too runs through the beginning, of which nothing is extrapolated: time for as many steps in all.
    few = 253
    contender = drawing(draw, few)
    return Contender(contender.step, contender.value, share=(FIELD + few) / (FIELD + SECOND))


ROWS = [
    Row(
        "wavenet-sampling",
        {
            OURS: compiled,
            "a field for each": a_field_for_each,
            "a pass for each": a_pass_for_each,
            "queues in torch": eager_queues,
        },
        bars={"a field for each": 300.0},
        agree=dict.fromkeys(("a field for each", "a pass for each", "queues in torch"), 1e-9),
        packages=("torch", "numpy", "numba"),
    )
]
