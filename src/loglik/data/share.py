"""The rows of a source that one of several processes takes, so that together they take each row once."""

from collections.abc import Iterator

from torch import Tensor

from loglik.data.source import Batch, Source
from loglik.errors import EmptyData


class Share(Source):
    """Of each stretch of rows the part at `place`, 0 .. of - 1; what is known of the source holds for its share.

    Raises:
        EmptyData: fewer rows than processes.
    """

    def __init__(self, whole: Source, place: int, of: int) -> None:
        if whole.rows is not None and whole.rows < of:
            raise EmptyData(f"Expected a row for each of {of} processes; got {whole.rows} rows. Start fewer of them.")
        self._whole, self._place, self._of = whole, place, of
        self.space, self.context_space = whole.space, whole.context_space
        self.columns, self.context_columns = whole.columns, whole.context_columns

    @property
    def gaps(self) -> int | None:
        return self._whole.gaps

    def batches(self, size: int) -> Iterator[Batch]:
        for x, c, _ in self.weighted_batches(size):
            yield x, c

    def weighted_batches(self, size: int) -> Iterator[tuple[Tensor, Tensor | None, Tensor | None]]:
        for x, c, w in self._whole.weighted_batches(size * self._of):
            own = slice(len(x) * self._place // self._of, len(x) * (self._place + 1) // self._of)
            if own.stop > own.start:
                yield x[own], None if c is None else c[own], None if w is None else w[own]
