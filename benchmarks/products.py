"""Products of matrices by themselves: the limits of what nets can reach on this processor.

A step of training with nothing around its products is a contender of several benchmarks; its ratio is the fraction of
the limit that we reach. And where bfloat16 is not computed at twice the rate of float32, as by AMX or on GPUs, no net
is trained faster in it.
"""

import functools
from collections.abc import Sequence

import torch

from benchmarks.harness import OURS, Contender, Row

ROWS_IN, WIDTH = 512, 1024

ALONE = "its products alone"
Layers = Sequence[tuple[int, int]]  # inputs and outputs of each


def products_alone(layers: Layers, events: int, *, data: int = 0) -> Contender:
    """The dense products of a step of training: of each layer (inputs, outputs), forwards and for both gradients.

    Of layers with `data` inputs, which read the events, nobody asks for the gradients of those.
    """
    torch.manual_seed(0)
    weights = [torch.randn(outputs, inputs) for inputs, outputs in layers]
    below = [torch.randn(events, inputs) for inputs, _ in layers]
    above = [torch.randn(events, outputs) for _, outputs in layers]
    places = [[torch.empty_like(t) for t in layer] for layer in zip(above, below, weights, strict=True)]

    def step() -> None:
        for w, x, g, (out, of_x, of_w) in zip(weights, below, above, places, strict=True):
            torch.mm(x, w.t(), out=out)
            torch.mm(g.t(), x, out=of_w)
            if x.shape[1] != data:
                torch.mm(g, w, out=of_x)

    return Contender(step, value=lambda: float("nan"))


def product(dtype: torch.dtype) -> Contender:
    torch.manual_seed(0)
    x, w = torch.randn(ROWS_IN, WIDTH).to(dtype), torch.randn(WIDTH, WIDTH).to(dtype)
    out = torch.empty(ROWS_IN, WIDTH, dtype=dtype)

    def step() -> None:
        torch.mm(x, w, out=out)

    return Contender(step, value=lambda: float(out.double().square().mean()))


ROWS = [
    Row(
        "product-bf16-1024",
        {OURS: functools.partial(product, torch.bfloat16), "float32": functools.partial(product, torch.float32)},
        bars={},
        agree={"float32": 1e-2},
    )
]
