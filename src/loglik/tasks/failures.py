"""Why a model could not be built, fitted or scored: the text in a comparison in place of its score."""

import os
import traceback
from pathlib import Path

import torch

from loglik.arguments.allocations import used_up
from loglik.errors import LoglikError, OutOfMemory, Unforeseen

LONGEST = 200  # characters of a message that is not ours
HOUSE = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent))


def in_words(error: Exception) -> str:
    """An error of ours, that the memory was used up, or a mistake with its class, its message and its line."""
    if isinstance(error, LoglikError):
        return str(error)
    if used_up(error):
        return "The memory was used up. Give fewer rows, a smaller batch or a smaller model."
    message = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST]
    return (
        f"Expected a model that is built, fitted and scored without an exception; got {message} ({_line(error)}). Mend "
        "the model, or leave it out."
    )


def exit_code(error: Exception) -> int:
    """What the command would end with."""
    if isinstance(error, LoglikError):
        return error.exit_code
    return (OutOfMemory if used_up(error) else Unforeseen).exit_code


def _line(error: Exception) -> str:
    """Where it was raised; within the user's own code, if it went through it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(HOUSE)]
    place = (own or frames)[-1]
    return f"{os.path.basename(place.filename)}, line {place.lineno}"
