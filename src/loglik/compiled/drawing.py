"""What a compiled sampling loop must know of a head to draw values without asking Python."""

from dataclasses import dataclass
from typing import Final

COIN: Final = 0  # 1 with probability sigmoid(logit); read as -1 or 1
ONE_HOT: Final = 1  # a level by softmax(logits); read as a vector with a single 1
SCALED: Final = 2  # a level by softmax(logits); read as one number in [-1, 1]
NORMAL: Final = 3  # mean + exp(log_scale) eps, log_scale held softly within +-limit; read as it is, up to +-FAR


@dataclass(frozen=True)
class Drawing:
    kind: int
    limit: float = 0.0


def drawing_of(draws: object) -> Drawing | None:
    """How a head draws; None for one that does not say it."""
    drawing = getattr(draws, "drawing", None)
    return drawing if isinstance(drawing, Drawing) else None
