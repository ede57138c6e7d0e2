"""The application: its commands, and how errors become one line and an exit code."""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from typing import NoReturn, ParamSpec, TextIO, TypeVar

import typer

from loglik.arguments.ranges import shown
from loglik.cli import compare, components, fit, look, use
from loglik.cli.console import prepare_streams, silence, talk
from loglik.cli.last_resort import as_ours, debugging, traced
from loglik.errors import FitWarning, LoglikError
from loglik.version import __version__

EPILOG = (
    "Exit codes: 0 done; 2 wrong usage; 3 unknown name; 4 context; 5 too large; 10-17 the data; 20-27 the run; 30 "
    "writing failed; 40 training diverged; 50 a law is broken; 60 out of memory; 70 not foreseen; 130 interrupted. "
    "`loglik COMMAND --help` shows examples."
)

app = typer.Typer(
    name="loglik",
    help="Fits p(x) to anything and knows what the number means. Start with: loglik compare digits",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Interrupted(Exception):
    """Ctrl-C, kept from Typer, which would end with 130 and no message."""


P = ParamSpec("P")
R = TypeVar("R")


def interruptible(command: Callable[P, R]) -> Callable[P, R]:
    @wraps(command)
    def run_command(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return command(*arguments, **named)
        except KeyboardInterrupt as error:
            raise Interrupted from error

    return run_command


for command in (
    compare.compare, fit.fit, use.score, use.sample, components.components,
    look.check, look.report, look.models, look.data,
):  # fmt: skip
    app.command()(interruptible(command))


def show_version(asked: bool) -> None:
    if asked:
        print(f"loglik {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=show_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit with its code; whatever goes wrong ends in one line on stderr, never in a traceback."""
    sys.exit(_ended(arguments))


def program() -> NoReturn:
    """`main` for a process of its own, which ends at once where it failed.

    A thread of pyarrow's that still reads ahead aborts when it meets an interpreter that is closing down.
    """
    code = _ended()
    if code and "pyarrow" in sys.modules:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # nobody reads any more
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _ended(arguments: list[str] | None = None) -> int:
    prepare_streams()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it logs where it keeps its cache
    return run(arguments)


def run(arguments: list[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", FitWarning)  # a warning for all models of a table is shown once
            warnings.showwarning = _warn
            return int(app(arguments, standalone_mode=False) or 0)
    except LoglikError as error:
        return _fail(error, str(error), error.exit_code)
    except (Interrupted, KeyboardInterrupt, typer.Abort) as error:
        return _fail(error, "Interrupted.", 130)
    except (BrokenPipeError, SystemExit):  # the reader of our output, such as `head`, has closed it; typer exits then
        silence(sys.__stdout__ or sys.stdout)
        return 0
    except Exception as error:
        # Typer's own errors (no such option, missing argument, bad value) know their message.
        if hasattr(error, "format_message"):
            message = _in_words(str(error.format_message()), getattr(getattr(error, "param", None), "opts", ()), words)
            return _fail(error, f"{message} See `loglik --help`.", 2)
        ours = as_ours(error, words)
        return _fail(error, str(ours), ours.exit_code)


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Our warnings take one line, without the place in the code; others keep their own words."""
    talk(f"loglik: {message}" if issubclass(category, FitWarning) else f"{category.__name__}: {message}")


def _in_words(message: str, options: Sequence[str], words: list[str]) -> str:
    """The message of an error of Typer's; it does not name the option whose value is no number, so we do."""
    kind = "a whole number" if "integer" in message else "a number" if "number" in message or "float" in message else ""
    for name in options if kind else ():
        for place, word in enumerate(words):
            came = words[place + 1] if word == name and place + 1 < len(words) else None
            came = word[len(name) + 1 :] if word.startswith(f"{name}=") else came
            if came is not None:
                return f"Expected {name} to be {kind}; got {shown(came)}."
    return message.rstrip(".") + "."


def _fail(error: BaseException, message: str, code: int) -> int:
    if debugging():
        sys.stderr.write(traced(error))
    talk(f"loglik: {' '.join(message.split())}")
    return code
