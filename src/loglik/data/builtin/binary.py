"""Benchmarks of binary density estimation, with their official parts: rows of zeros and ones, Integer((D,), 2).

D. Lowd, J. Davis 2010, Learning Markov network structure with decision trees, ICDM, and J. Van Haaren, J. Davis 2012,
Markov network structure learning: a randomized feature generation approach, AAAI (nltcs, pumsb_star, bnetflix, jester,
baudio, bbc, and a split of dna); H. Larochelle, I. Murray 2011, The neural autoregressive distribution estimator,
AISTATS (mushrooms, nips); J. Bekker, J. Davis et al. 2015, Tractable learning for complex probability queries, NIPS
(moviereview).

The collection's files of dna hold 1600 / 400 / 1186 rows; Larochelle and Murray cut 1400 / 600 / 1186, with as many to
test. What a file holds is read as it is, and stated in `split`.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loglik.data.builtin.entry import Builtin
from loglik.data.builtin.places import find
from loglik.data.formats.idx import read_bytes
from loglik.data.source import Dataset, Memory
from loglik.errors import EmptyData, ShapeMismatch, UnreadableData
from loglik.spaces import Integer

HAAREN, LAROCHELLE, BEKKER = "Van Haaren and Davis 2012", "Larochelle and Murray 2011", "Bekker et al. 2015"
BINARY: dict[str, tuple[int, str, str]] = {  # the number D of values, what they are, who made the parts
    "nltcs": (16, "disabilities of elderly people", HAAREN),
    "dna": (180, "splice junctions of DNA, one-hot", f"{HAAREN}; {LAROCHELLE} cut 1400 / 600 / 1186 instead"),
    "mushrooms": (112, "properties of mushrooms, one-hot", LAROCHELLE),
    "nips": (500, "words in NIPS papers, volumes 0 to 12", LAROCHELLE),
    "pumsb_star": (163, "answers to a census", HAAREN),
    "bnetflix": (100, "films rated by viewers", HAAREN),
    "jester": (100, "jokes liked by readers", HAAREN),
    "baudio": (100, "artists heard by listeners", HAAREN),
    "bbc": (1058, "words in news of the BBC", HAAREN),
    "moviereview": (1001, "words in reviews of films, and the verdict", BEKKER),
}


def load_binary(name: str) -> Dataset:
    """The three official files of a set, as Integer((D,), 2).

    Raises:
        DataNotFound: a file is not there. UnreadableData, ShapeMismatch, EmptyData: a damaged one.
    """
    dims, _, origin = BINARY[name]
    space = Integer((dims,), levels=2)
    train, valid, test = (Memory(space, read_bits(path, dims)) for path in find(_files(name)))
    how = f"official files ({origin})"
    rows = {"train": train.rows, "valid": valid.rows, "test": test.rows}
    return Dataset(name, train, valid, test, {"how": how, **rows})


def _files(name: str) -> tuple[str, ...]:
    return tuple(f"density_estimation_binary/{name}/{name}.{part}.data" for part in ("train", "valid", "test"))


def read_bits(path: Path, dims: int) -> Tensor:
    """Lines of `dims` zeros and ones with commas between, as (N, dims) in uint8."""
    content = np.frombuffer(read_bytes(path), np.uint8)
    content = content[content != ord("\r")]
    if not content.size:
        raise EmptyData(f"Expected rows of {dims} zeros and ones; got an empty file, {path}.")
    if content[-1] != ord("\n"):
        content = np.append(content, np.uint8(ord("\n")))
    if len(content) % (2 * dims):  # each value is one character and one separator
        raise ShapeMismatch(f"Expected lines of {dims} zeros and ones with commas between; got others in {path}.")
    lines = content.reshape(-1, 2 * dims)
    bits = lines[:, ::2] - ord("0")  # bytes below "0" wrap around to large ones
    commas = (lines[:, 1:-1:2] == ord(",")).all() and (lines[:, -1] == ord("\n")).all()
    if not commas or int(bits.max()) > 1:
        raise UnreadableData(f"Expected lines of {dims} zeros and ones with commas between; got others in {path}.")
    return torch.from_numpy(bits.copy())


BINARY_SETS = tuple(
    Builtin(name, partial(load_binary, name), f"Integer({dims},) with 2 levels", f"{what} ({origin})", _files(name))
    for name, (dims, what, origin) in BINARY.items()
)
