"""Events of reals with values that are missing, NaN: scored by what was observed of them, or refused in one line."""

from collections.abc import Callable

import torch
from torch import Tensor

from loglik.contract import Claim, Model
from loglik.data import Memory
from loglik.errors import NotFinite
from loglik.ops import has_gaps
from loglik.spaces import Space

Naming = Callable[[Space], list[str]]

LEAVES_OUT = "leaves values out"
LEARNS_GAPS = "learns from rows with missing values"
named_by: dict[str, Naming] = {}  # who names the models that answer a question: the zoo, which alone knows any


def missing_in_rows(x: Tensor) -> Tensor:
    """(B, *event) -> (B,): how many values of each event are missing."""
    return x.isnan().flatten(1).sum(1) if has_gaps(x) else torch.zeros(len(x), dtype=torch.int64)


def claim_on(model: Model, x: Tensor) -> Claim:
    """What the scores of these events (B, *event) are: the weakest claim of any, of parts and of whole ones."""
    return max(model.claim, model.conditions(~x.isnan()) or model.claim)


def observed_scores(
    model: Model, x: Tensor, context: Tensor | None, whole_scores: Callable[[Tensor, Tensor | None], Tensor]
) -> Tensor:
    """(B, *event) with NaN where nothing was observed -> log p of what was, (B,) float64; of nothing it is 0.

    Raises:
        NotFinite: the model cannot leave these values out.
    """
    observed = ~x.isnan()
    seen = observed.flatten(1)
    whole, some = seen.all(1), seen.any(1)
    values = torch.zeros(len(x), dtype=torch.float64)
    part = some & ~whole
    if bool(whole.any()):
        values[whole.cpu()] = whole_scores(x[whole], None if context is None else context[whole])
    if model.conditions(observed[~whole]) is None:
        rows = int((~whole).sum())
        raise cannot(model, LEAVES_OUT, f"{rows} row{'s' * (rows != 1)} with missing values")
    if bool(part.any()):
        log_p = model.log_marginal(x[part], observed[part], None if context is None else context[part])
        values[part.cpu()] = log_p.double().cpu()
    return values


def check_learns(model: Model, gaps: int | None) -> None:
    """Raises NotFinite where so many values of training rows are missing, and the model learns from whole rows."""
    if gaps and not model.learns_gaps:
        raise cannot(model, LEARNS_GAPS, f"{gaps} missing value{'s' * (gaps != 1)}")


def check_validates(model: Model, rows: Memory) -> None:
    """Raises NotFinite where values of validation rows are missing, and the model cannot leave them out."""
    if rows.gaps and model.conditions(~rows.x.isnan()) is None:
        raise cannot(model, LEAVES_OUT, f"{rows.gaps} missing value{'s' * (rows.gaps != 1)} of validation rows")


def cannot(model: Model, question: str, got: str) -> NotFinite:
    """The refusal of rows with gaps, with the models of the zoo that take them."""
    name = (model.recipe or {}).get("name", type(model).__name__)
    able = named_by[question](model.space) if question in named_by else []
    if not able:
        advice = "Remove the rows, or fill in the values."
    else:
        *others, last = able
        listed = f"{', '.join(others)} or {last}" if others else last
        advice = f"Take {listed}; or remove the rows, or fill in the values."
    return NotFinite(f"Expected a model that {question}; got {name}, which does not, and {got}. {advice}")
