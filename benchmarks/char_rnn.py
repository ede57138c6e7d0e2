"""Char RNN, an LSTM of 256 over 96 symbols: drawing one stream of text, and training on windows of 128.

The peer that draws calls `nn.LSTM` for each symbol, as most samplers do, and does an eighth of the work, extrapolated.
The one that trains is the textbook's loop, with an embedding as wide as the cells; both read 64 streams side by side
and carry the state from window to window.
"""

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.harness import OURS, Contender, Row
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.char_rnn.net import RecurrentNet
from loglik.spaces import Category
from loglik.zoo import build

SYMBOLS, WIDTH = 96, 256
WINDOW, STREAMS = 128, 64
DRAWN = 4_096  # symbols
COMPARED = 40  # symbols that both draw with the same noise


def built() -> tuple[Autoregressive, RecurrentNet]:
    torch.manual_seed(0)
    model = build("char-rnn", Category((WINDOW,), SYMBOLS), width=WIDTH)
    assert isinstance(model, Autoregressive)
    assert isinstance(model.net, RecurrentNet)
    return model, model.net


@functools.lru_cache(maxsize=1)
def sampler() -> tuple[Autoregressive, RecurrentNet, Tensor]:
    """A model with weights at random, and noise for all symbols."""
    model, net = built()
    nn.init.normal_(net.last.weight, std=0.1)
    return model.eval(), net, model.head.noise((DRAWN, 1), torch.empty(0))


def compiled_loop() -> Contender:
    model, _, noise = sampler()

    def draw(k: int) -> Tensor:
        given = torch.empty(0, 1, dtype=torch.long)
        return model.steps(1).run(model.head, noise, given)[:k, 0]

    return Contender(lambda: draw(DRAWN), lambda: float(draw(COMPARED).double().mean()))


def called_for_each() -> Contender:
    _, net, noise = sampler()

    @torch.no_grad()
    def draw(k: int) -> Tensor:
        symbol, state, drawn = torch.zeros(1, 1, SYMBOLS), None, []
        for u in noise[:k, 0]:
            h, state = net.cells(symbol, state)
            cumulated = torch.softmax(net.last(h[0, 0]), -1).cumsum(-1)
            drawn.append((cumulated[:-1] <= u * cumulated[-1]).sum())
            symbol = torch.zeros(1, 1, SYMBOLS)
            symbol[0, 0, drawn[-1]] = 1.0
        return torch.stack(drawn)

    return Contender(lambda: draw(DRAWN // 8), lambda: float(draw(COMPARED).double().mean()), share=1 / 8)


def windows() -> Tensor:
    """(STREAMS, WINDOW): symbols of which every second one repeats the one before."""
    torch.manual_seed(0)
    return torch.randint(SYMBOLS, (STREAMS, WINDOW // 2)).repeat_interleave(2, dim=1)


def carried() -> Contender:
    model, _ = built()
    x = windows()
    adam = torch.optim.AdamW(model.parameters(), lr=3e-3, fused=True)
    state: Tensor | None = None
    nats: list[float] = []

    def step() -> None:
        nonlocal state
        log_p, state = model.log_likelihood_from(x, state)
        loss = -log_p.mean() / WINDOW
        adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        nats.append(float(loss.detach()))

    return Contender(step, lambda: nats[-1])


def textbook() -> Contender:
    torch.manual_seed(0)
    embedding, cells = nn.Embedding(SYMBOLS, WIDTH), nn.LSTM(WIDTH, WIDTH, batch_first=True)
    last, x = nn.Linear(WIDTH, SYMBOLS), windows()
    parameters = [*embedding.parameters(), *cells.parameters(), *last.parameters()]
    adam = torch.optim.AdamW(parameters, lr=3e-3)
    state: tuple[Tensor, Tensor] | None = None
    nats: list[float] = []

    def step() -> None:
        nonlocal state
        h, (a, c) = cells(embedding(x[:, :-1]), state)
        state = (a.detach(), c.detach())
        loss = F.cross_entropy(last(h).flatten(0, 1), x[:, 1:].flatten())
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        nats.append(float(loss.detach()))

    return Contender(step, lambda: nats[-1])


ROWS = [
    Row(
        "char-rnn-sampling",
        {OURS: compiled_loop, "nn.LSTM for each": called_for_each},
        bars={"nn.LSTM for each": 4.0},
        agree={"nn.LSTM for each": 1e-9},
        packages=("torch", "numpy", "numba"),
    ),
    Row("char-rnn-training", {OURS: carried, "textbook": textbook}, bars={"textbook": 1.0}),
]
