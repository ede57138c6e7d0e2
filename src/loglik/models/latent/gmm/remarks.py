"""What a user should know of a fitted mixture."""

from torch import Tensor

EMPTY = 1e-3  # events; a component that explains fewer is called empty


def remark_on(rows: int, shape: tuple[int, ...], counts: Tensor | None, *, correlated: bool) -> str:
    """The remarks on K components over D dimensions, `shape` (K, D), that started from so many rows.

    Args:
        rows: 0 where it does not matter. counts: (K,), events that each component explained in the last pass.
        correlated: whether events in few directions leave the others to the floor.
    """
    components, dims = shape
    parts = (_on_start(rows, dims, components, correlated=correlated), _on_empty(counts))
    return " ".join(part for part in parts if part)


def _on_start(rows: int, dims: int, components: int, *, correlated: bool) -> str:
    """Where the floor decides the density: n events leave all but n - 1 directions without variance.

    So it does in all directions where there are fewer events than components.
    """
    if 0 < rows < components:
        return (
            f"The mixture has {components} components and started from {rows} rows: most components stand on "
            f"single rows, and their covariances follow from the floor. Take components={max(1, rows // 10)} or so."
        )
    if not 0 < rows <= dims or not correlated:
        return ""
    return (
        f"The mixture was fitted to {rows} rows of {dims} columns. In most directions its covariances follow from "
        "the floor, not from the data; take covariance='diagonal', fewer columns, or ppca."
    )


def _on_empty(counts: Tensor | None) -> str:
    """Of the events that each component explains (K,), in the last pass: how many explain none."""
    empty = 0 if counts is None else int((counts < EMPTY).sum())
    if not empty or counts is None:
        return ""
    left = len(counts) - empty
    are, them, their = ("is", "it", "its") if empty == 1 else ("are", "them", "their")
    return (
        f"{empty} of the mixture's {len(counts)} components {are} empty: the last pass left no row to {them}, and "
        f"{their} mean and covariance tell nothing. Take components={left}, or more starts."
    )
