"""Find equal rows by 64-bit hashes: the rows of one source that another has too, and the groups of equal rows.

Two rows are equal if all values of their events and contexts are equal as numbers. Different rows may have one hash by
chance. If N rows are looked up among M others, the expected number of such errors is N M / 2^64: 5e-8 for a million
rows among a million. The hash is not cryptographic: somebody can construct rows that collide.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from loglik.data.source import Dataset, Memory, Source
from loglik.spaces import Space

ROWS_AT_ONCE = 4096
# Odd constants with well mixed bits, of P. L'Ecuyer 1999 and of splitmix64 (Steele, Lea, Flood 2014).
STEP, MIX = np.uint64(0xD1342543DE82EF95), np.uint64(0xBF58476D1CE4E5B9)

Words = NDArray[np.uint64]


def row_hashes(source: Source) -> Tensor:
    """(N,) int64: a hash of each row; equal rows of equal spaces have equal ones, however they are stored."""
    return torch.from_numpy(np.concatenate(list(_hashed(source))).view(np.int64))


def are_in(rows: Tensor, others: Tensor) -> Tensor:
    """(N,) bool: which hashes are among others, in time N log M."""
    found: Tensor = torch.from_numpy(np.isin(rows.numpy(), others.numpy()))
    return found


def repeated(data: Dataset) -> Tensor:
    """(N_test,) bool: which test rows equal a training row. Windows of a stream are not rows, and none is counted."""
    if data.test.stream:
        return torch.zeros(data.test.rows, dtype=torch.bool)
    return are_in(row_hashes(data.test), row_hashes(data.train))


def kept_together(whole: Memory) -> Tensor:
    """(N,): the group of each row, a number. Equal rows share a group, and so do rows of one group of the source."""
    equal: Tensor = torch.unique(row_hashes(whole), return_inverse=True)[1]
    if whole.groups is None:
        return equal
    own = torch.unique(whole.groups.cpu(), return_inverse=True)[1]
    # Connected components: a row takes the least number of its equals, then of its group, until nothing changes.
    label = torch.arange(whole.rows)
    while True:
        before = label
        for member in (equal, own):
            least = torch.full((int(member.max()) + 1,), whole.rows).scatter_reduce(0, member, label, "amin")
            label = least.gather(0, member)
        if torch.equal(label, before):
            return label


def _hashed(source: Source) -> Iterator[Words]:
    for x, context in source.batches(ROWS_AT_ONCE):
        h = np.zeros(len(x), np.uint64)
        for word in _words(x, source.space):
            h = _mixed(h, word)
        if context is not None and source.context_space is not None:
            for word in _words(context, source.context_space):
                h = _mixed(h, word)
        yield h


def _mixed(h: Words, word: Words) -> Words:
    """The hash with one more word of each row: bijective in either of them, and every bit reaches all others."""
    h = (h * STEP + np.uint64(1)) ^ word
    h = (h ^ (h >> np.uint64(30))) * MIX
    return h ^ (h >> np.uint64(27))


def _words(x: Tensor, space: Space) -> Iterator[Words]:
    """The values of each row as 64-bit words (N,), in turn: reals as float64, levels as narrow as the space allows."""
    dtype: DTypeLike = np.float64
    if space.limits is not None:
        top = space.limits[1]
        dtype = np.uint8 if top < 1 << 8 else np.uint16 if top < 1 << 16 else np.int64
    values = x.detach().cpu().reshape(len(x), -1).numpy().astype(dtype)
    if dtype is np.float64:
        values = np.where(np.isnan(values), np.nan, values + 0.0)  # one zero and one NaN
    narrow = 8 // values.itemsize
    padded = np.pad(values, ((0, 0), (0, -values.shape[1] % narrow)))
    yield from np.ascontiguousarray(padded.view(np.uint64).T)
