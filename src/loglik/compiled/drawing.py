"""What a compiled sampling loop must know of a head to draw values without asking Python."""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

COIN: Final = 0  # 1 with probability sigmoid(logit); read as -1 or 1
ONE_HOT: Final = 1  # a level by softmax(logits); read as a vector with a single 1
SCALED: Final = 2  # a level by softmax(logits); read as one number in [-1, 1]
NORMAL: Final = 3  # mean + exp(log_scale) eps, log_scale held softly within +-limit; read as it is, up to +-FAR


@dataclass(frozen=True)
class Drawing:
    kind: int
    limit: float = 0.0


def compilable(draws: object, like: Tensor) -> Drawing | None:
    """How the head draws, where a compiled loop can: on the CPU, in float32 or float64, by a head that says how."""
    drawing = getattr(draws, "drawing", None)
    fits = like.device.type == "cpu" and like.dtype in (torch.float32, torch.float64)
    return drawing if fits and isinstance(drawing, Drawing) else None
