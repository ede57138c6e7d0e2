"""Unforeseen exceptions: one line for the user, and a file with the traceback for the developer."""

import os
import platform
import tempfile
import traceback
from collections.abc import Sequence

import torch

from loglik.arguments.allocations import used_up
from loglik.arguments.ranges import shown
from loglik.errors import LoglikError, OutOfMemory, Unforeseen
from loglik.version import __version__

DEBUG = "LOGLIK_DEBUG"  # if set, tracebacks are printed
LESS = "Give fewer rows, a smaller batch (--batch), a smaller model (--set), or more memory."


def as_ours(error: BaseException, arguments: Sequence[str]) -> LoglikError:
    """The error that the command reports in place of this one; the traceback goes to a file."""
    place = _details(error, arguments)
    if used_up(error):
        return OutOfMemory(f"The memory was used up: {_reason(error)}. {LESS} {place}")
    if isinstance(error, RecursionError):
        return Unforeseen(f"Something is nested too deeply to be read (RecursionError). Flatten it. {place}")
    return Unforeseen(f"Something went wrong that loglik did not foresee: {_reason(error)}. {place}")


def traced(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def debugging() -> bool:
    return os.environ.get(DEBUG, "") not in ("", "0")


def _reason(error: BaseException) -> str:
    """The class and the beginning of the message."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message[:200]}".rstrip(".: ") if message else type(error).__name__


def _details(error: BaseException, arguments: Sequence[str]) -> str:
    """Where the traceback is, in words. The file is new, in the folder for temporary files, and its owner's alone."""
    try:
        folder = os.getcwd()
    except OSError:  # it was removed meanwhile
        folder = ""
    text = (
        f"loglik {__version__}, torch {torch.__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"arguments: {list(arguments)!r}\nfolder: {shown(folder)}\n\n{traced(error)}"
    )
    try:
        handle, path = tempfile.mkstemp(prefix="loglik-", suffix=".txt")  # mode 0600
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as failure:
        return f"The details could not be written ({failure.strerror}); {DEBUG}=1 shows them."
    return f"Details are in {path}; please report them."
