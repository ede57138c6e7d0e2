"""Options that several commands share, and how their words become values."""

import os
from collections.abc import Mapping
from typing import Annotated, Any

import torch
import typer

from loglik.cli.console import talk
from loglik.data import Dataset, open_dataset
from loglik.data.splits import in_words
from loglik.errors import ContextError, UsageError

Data = Annotated[
    str,
    typer.Argument(
        help="A built-in data set (`loglik data` lists them), or a path: a CSV, Parquet, NPY or NPZ file, a text "
        "(.txt), a recording (.wav, .flac), or a folder of recordings or images."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Seed = Annotated[int, typer.Option(help="Of everything drawn at random: weights, batches, noise.")]
Samples = Annotated[
    int, typer.Option(help="K of the K-sample bound, for latent and dequantised models; more is tighter and slower.")
]
SpaceWords = Annotated[
    str | None,
    typer.Option(
        "--space", help="What the values of a file are: real, integer:LEVELS or category:LEVELS.", metavar="SPACE"
    ),
]
Device = Annotated[
    str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, ...; auto takes a GPU if there is one.")
]
ContextWords = Annotated[
    str | None,
    typer.Option(
        "--context",
        help="Model p(x|c): `label` for the labels of a built-in set or the subfolders of a folder, or columns of a "
        "table, separated by commas.",
        metavar="COLUMNS",
    ),
]
Window = Annotated[
    int | None,
    typer.Option(help="Length of the windows that a text (128) or recording (1024) is cut into.", metavar="T"),
]
KeepEqual = Annotated[
    bool,
    typer.Option("--keep-equal-rows-together", help="Rows of a table, or images, that are equal lie in one part."),
]


def opened(
    data: str, seed: int, space: str | None, context: str | None, window: int | None = None, together: bool = False
) -> Dataset:
    return open_dataset(
        data, seed=seed, space=space, context=context_of(data, context), window=window,
        keep_equal_rows_together=together,
    )  # fmt: skip


def tell_split(dataset: Dataset) -> None:
    """Say on stderr how the rows were split, once nothing speaks against the work: a refusal is a line of its own."""
    if dataset.remark:
        talk(f"{dataset.name}: {dataset.remark}.")
    talk(f"Split: {in_words(dataset)}.")
    for part in ("train", "valid", "test"):
        remark = getattr(dataset, part).remark
        if remark:
            talk(f"{part}: {remark}.")


def device_of(words: str) -> torch.device:
    if words == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(words)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise UsageError(f"Expected a device of this machine, such as cpu or cuda; got {words!r}.") from None
    return device


def context_of(data: str, words: str | None) -> bool | tuple[str, ...] | None:
    """True for the labels of a built-in set or folder, names of columns for a file, None for none."""
    if words is None:
        return None
    if words == "label" and (os.path.isdir(data) or ("." not in data and "/" not in data)):
        return True
    return tuple(words.split(","))


def contexts_like(about: Mapping[str, Any], given: bool | tuple[str, ...] | None) -> bool | tuple[str, ...] | None:
    """The context columns of a run, `about` its data; what is given must be the same.

    Raises:
        ContextError: other columns, or another order.
    """
    own = about.get("context_columns")
    if own is None:
        return given
    if given not in (None, tuple(own)):
        raise ContextError(
            f"Expected the context columns of the run, {', '.join(own)}; got others. Leave --context out."
        )
    return tuple(own)


def settings(words: list[str] | None) -> dict[str, str]:
    """["hidden=64,64", "layers=3"] -> {"hidden": "64,64", "layers": "3"}."""
    return _pairs(words, "--set KEY=VALUE, such as --set hidden=64,64")


def training_options(words: list[str] | None) -> dict[str, float | int]:
    """["ema=0.9995", "patience=4"] -> numbers by name; which names there are, `Options` knows."""
    numbers: dict[str, float | int] = {}
    for name, value in _pairs(words, "--option KEY=VALUE, such as --option ema=0.9995").items():
        try:
            numbers[name] = int(value) if value.lstrip("-").isdigit() else float(value)
        except ValueError:
            raise UsageError(f"Expected a number for the option {name}; got {value!r}.") from None
    return numbers


def _pairs(words: list[str] | None, expected: str) -> dict[str, str]:
    pairs = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"Expected {expected}; got {word!r}.")
        pairs[name.strip()] = value.strip()
    return pairs
