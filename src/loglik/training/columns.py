"""What a fit tells of the columns of its rows: those without any value, and those without any variance."""

import math
import warnings

import torch
from torch import Tensor

from loglik.errors import EmptyData, FitWarning
from loglik.ops import has_gaps

LISTED = 5  # at most this many constant columns are named


def check_observed(x: Tensor, columns: tuple[str, ...] | None) -> None:
    """Raises EmptyData for the first column that is missing everywhere."""
    empty = torch.nonzero(x.flatten(1).isnan().all(0)).flatten().tolist()
    if empty:
        name = repr(columns[empty[0]]) if columns else str(empty[0] + 1)
        raise EmptyData(
            f"Expected a value in every column; got none in column {name}: it is missing in all of the {len(x)} rows "
            "looked at. Leave the column out."
        )


def warn_of_constants(x: Tensor, columns: tuple[str, ...] | None) -> None:
    """Warn of constant columns: a density of a single value has no upper limit, so its score means nothing."""
    flat = x.flatten(1)
    low, high = flat.amin(0), flat.amax(0)
    if has_gaps(flat):
        low, high = flat.nan_to_num(nan=math.inf).amin(0), flat.nan_to_num(nan=-math.inf).amax(0)
    places = torch.nonzero(low == high).flatten().tolist()
    if not places or len(x) < 2:
        return
    names = [repr(columns[place]) if columns else str(place + 1) for place in places[:LISTED]]
    more = f" and {len(places) - LISTED} more" if len(places) > LISTED else ""
    said, each, its = ("Column", "is", "it") if len(places) == 1 else ("Columns", "are", "them")
    warnings.warn(
        f"{said} {', '.join(names)}{more} {each} constant in the {len(x)} rows looked at. A density there can be as "
        f"high as one likes, so scores of different models do not compare; leave {its} out.",
        FitWarning,
        stacklevel=4,
    )
