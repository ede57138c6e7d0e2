"""Options that several commands share, and how their words become values.

What can be checked by itself is checked as the words are read, before a command begins: nothing is opened or written
for a word that cannot be.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from loglik.arguments.devices import device_of
from loglik.arguments.ranges import MANY, SAMPLES, SEEDS, TEMPERATURES, Range, real, shown, whole
from loglik.errors import ContextError, UnknownName, UsageError
from loglik.hyperparameters import checked
from loglik.inference.latent.marginal import METHODS
from loglik.registry import installed
from loglik.training.options import REAL, WHOLE, Options, check_precision, seconds
from loglik.zoo import ZOO, entry

ANOTHER_KEY = re.compile(r"[,;\s]\s*([A-Za-z_]\w*)\s*=")  # within a value


def within(name: str, numbers: Range) -> Callable[[int | None], int | None]:
    """The check of a whole number that may be left out."""
    return lambda value: None if value is None else whole(name, value, numbers)


def real_within(name: str, numbers: Range) -> Callable[[float | None], float | None]:
    return lambda value: None if value is None else real(name, value, numbers)


def from_home(path: Path | None) -> Path | None:
    """A path whose ~ is the home folder; shells do not expand it in --out=~/runs."""
    return None if path is None else Path(os.path.expanduser(path))


def stem_of(data: str) -> str:
    """The name of the data in the names of runs; also for data called `.`."""
    return Path(os.path.abspath(data)).stem or "data"


def _budget(value: str | None) -> str | None:
    if value is not None:
        seconds(value)
    return value


def _device(value: str) -> str:
    device_of(value)
    return value


def _precision(value: str | None) -> str | None:
    if value is not None:
        check_precision(value)
    return value


def _evidence(value: str | None) -> str | None:
    if value is not None and value not in METHODS:
        raise UnknownName("method of --evidence", value, METHODS)
    return value


def _model(value: str | None) -> str | None:
    if value is not None and "," in value:
        raise UsageError(
            f"Expected one model; got {shown(value)}. For several: loglik compare DATA --models {value[:80]}."
        )
    if value is not None:
        entry(value)
    return value


def _models(value: str | None) -> str | None:
    for name in names_of(value) or ():
        parts = re.split(r"[\s;:|/+]+", name)
        if len(parts) > 1 and set(parts) <= {*ZOO, *installed()}:
            raise UsageError(
                f"Expected names of models separated by commas; got {shown(name)}. Write --models {','.join(parts)}."
            )
        entry(name)
    return value


def _columns(value: str | None) -> str | None:
    if value is not None:
        columns_of(value)
    return value


def columns_of(words: str) -> tuple[str, ...]:
    """ "age,sex" as names, each once."""
    names = tuple(name.strip() for name in words.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise ContextError(
            f"Expected names of columns for --context, each once and separated by commas; got {shown(words)}."
        )
    return names


def names_of(words: str | None) -> list[str] | None:
    """ "made,nsf" as names; None if there are none."""
    if words is None:
        return None
    names = [name.strip() for name in words.split(",")]
    if not all(names):
        raise UsageError(
            f"Expected names of models separated by commas, such as gaussian,gmm; got {shown(words)}. Leave --models "
            "out for all that suit the data."
        )
    return names


Data = Annotated[
    str,
    typer.Argument(
        help="A built-in data set (`loglik data` lists them), or a path: a CSV, Parquet, NPY or NPZ file, a text "
        "(.txt), a recording (.wav, .flac), or a folder of recordings or images."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Seed = Annotated[
    int, typer.Option(help="Random seed for weights, batches and noise.", callback=within("--seed", SEEDS))
]
Samples = Annotated[
    int,
    typer.Option(
        help="K of the K-sample bound, for latent and dequantised models; more is tighter and slower.",
        callback=within("--samples", SAMPLES),
    ),
]
EvidenceMethod = Annotated[
    str | None,
    typer.Option(
        help="log p(x) from K = --samples draws of the latents for each row: naive (from the prior), importance (from "
        "the posterior of the model) or ais (annealed); with their errors, and how many draws it takes.",
        metavar="METHOD",
        callback=_evidence,
    ),
]
SpaceWords = Annotated[
    str | None,
    typer.Option(
        "--space", help="What the values of a file are: real, integer:LEVELS or category:LEVELS.", metavar="SPACE"
    ),
]
Device = Annotated[
    str,
    typer.Option(help="Device: cpu, cuda, cuda:1, ...; auto takes a GPU if there is one.", callback=_device),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        help="Name of the model (`loglik models` lists them); by default one that suits the data.", callback=_model
    ),
]
ModelNames = Annotated[
    str | None,
    typer.Option(help="Names of models separated by commas; by default all that suit the data.", callback=_models),
]
Budget = Annotated[str | None, typer.Option(help="Total training time, such as 60s, 5m or 1h.", callback=_budget)]
SharedBudget = Annotated[
    str, typer.Option(help="Time for all fits together, such as 90s, 10m or 1h.", callback=_budget)
]
Steps = Annotated[
    int | None,
    typer.Option(
        help="Total gradient steps, or EM passes; includes those before --resume.",
        callback=within("--steps", WHOLE["steps"]),
    ),
]
Starts = Annotated[
    int | None,
    typer.Option(
        help="Starts of EM, with seeds that follow from --seed; the one that ends highest is kept.",
        callback=within("--starts", WHOLE["starts"]),
    ),
]
Epochs = Annotated[
    float | None,
    typer.Option(
        help="Passes over the training rows, by gradients or EM.", callback=real_within("--epochs", REAL["epochs"])
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(
        help="Rows in a gradient step; by default fewer where --budget is short.",
        callback=within("--batch", WHOLE["batch"]),
    ),
]
Rate = Annotated[
    float | None, typer.Option(help="The highest learning rate.", callback=real_within("--lr", REAL["lr"]))
]
PriorScale = Annotated[
    float | None,
    typer.Option(
        "--prior",
        help="Deviation of a normal prior of all weights (L2), counted once for the data; no weight decays then.",
        metavar="SCALE",
        callback=real_within("--prior", REAL["prior"]),
    ),
]
Precision = Annotated[str | None, typer.Option(help="auto, float32 or bfloat16 (inside nets).", callback=_precision)]
Temperature = Annotated[
    float,
    typer.Option(
        help="Draws each value from p^(1/T); any T but 1 no longer samples p(x).",
        callback=real_within("--temperature", TEMPERATURES),
    ),
]
ContextWords = Annotated[
    str | None,
    typer.Option(
        "--context",
        help="Model p(x|c): `label` for the labels of a built-in set or the subfolders of a folder, or columns of a "
        "table, separated by commas.",
        metavar="COLUMNS",
        callback=_columns,
    ),
]
WeightsWord = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="The column of a table that says how many times each row counts in the fit, 0 or more.",
        metavar="COLUMN",
    ),
]
Window = Annotated[
    int | None,
    typer.Option(
        help="Length of the windows that a text (128) or recording (1024) is cut into.",
        metavar="T",
        callback=within("--window", MANY),
    ),
]
KeepEqual = Annotated[
    bool,
    typer.Option("--keep-equal-rows-together", help="Put equal rows of a table, or equal images, into the same part."),
]


def settings(words: list[str] | None) -> dict[str, str]:
    """["hidden=64,64", "layers=3"] -> {"hidden": "64,64", "layers": "3"}."""
    return _pairs(words, "--set", "hidden=64,64")


def training_options(words: list[str] | None) -> dict[str, float | int]:
    """["ema=0.9995", "patience=4"] -> numbers by name; `Options` checks the names."""
    numbers: dict[str, float | int] = {}
    for name, value in _pairs(words, "--option", "ema=0.9995").items():
        try:
            numbers[name] = int(value) if value.lstrip("-").isdigit() else float(value)
        except ValueError:
            raise UsageError(f"Expected a number for the option {name}; got {value!r}.") from None
    return numbers


def check_words(options: Mapping[str, object], model: str | None, hyperparameters: Mapping[str, str]) -> None:
    """Check the options of a fit before its data are opened, as far as they do not depend on the data."""
    Options.of(**options)
    if model is not None:
        checked(entry(model).load(), model, hyperparameters)


def _pairs(words: list[str] | None, option: str, example: str) -> dict[str, str]:
    """KEY=VALUE of each word, `example` one of them; a key stands once, or with the same value again."""
    pairs: dict[str, str] = {}
    for word in words or []:
        name, equals, value = (part.strip() for part in word.partition("="))
        if not equals or not name:
            raise UsageError(f"Expected {option} KEY=VALUE, such as {option} {example}; got {word!r}.")
        if several := ANOTHER_KEY.search(value):
            first = f"{option} {name}={value[: several.start()]}"
            raise UsageError(
                f"Expected {option} once for each key; got {shown(word)}. Write {first} {option} {several[1]}=..."
            )
        if pairs.setdefault(name, value) != value:
            raise UsageError(
                f"Expected {option} once for {name}; got {shown(pairs[name])} and {shown(value)}. Leave one out."
            )
    return pairs
