"""How fast this processor multiplies matrices in bfloat16 and in float32: what nets in bfloat16 can gain at most.

Where bfloat16 is not computed at twice the rate of float32, as by AMX or on GPUs, no net is trained faster in it.
"""

import functools

import torch

from benchmarks.harness import OURS, Contender, Row

ROWS_IN, WIDTH = 512, 1024


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
