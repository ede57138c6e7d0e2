"""Where words go: results on stdout, talk and progress on stderr, and progress only on a terminal."""

import io
import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from loglik.ops import LN2
from loglik.output.visible import visible
from loglik.spaces import Measure, Space
from loglik.training.gradient import Watch
from loglik.training.history import Step


def prepare_streams() -> None:
    """Escape characters that a terminal cannot show. Open closed streams, so that no file takes their numbers."""
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def silence(stream: TextIO) -> None:
    """Discard further output to a pipe that nobody reads."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(text: str = "") -> None:
    """A result, on stdout. Names in it are shown, never obeyed by a terminal."""
    print(visible(text, keep="\n\t"), flush=True)


def say_data(text: str) -> None:
    """Rows or texts: unchanged for a file or another program; on a terminal as `say` shows them."""
    say(text) if sys.stdout.isatty() else print(text, flush=True)


def say_json(value: object) -> None:
    """A result for machines: NaN and infinities as strings, since JSON has none."""
    print(json.dumps(_plain(value), indent=2, allow_nan=False), flush=True)


def talk(text: str) -> None:
    """A message on stderr, in one line. The work goes on if nobody reads it any more."""
    try:
        print(visible(text), file=sys.stderr, flush=True)
    except BrokenPipeError:
        silence(sys.stderr)


def command_line() -> str:
    """The command as it was typed, to record with its results."""
    return shlex.join(["loglik", *sys.argv[1:]])


@contextmanager
def progress(space: Space) -> Iterator[Callable[[str], Watch | None]]:
    """Watchers by title: each draws a line with a bar, steps/s, the running score and the time left, in place of the
    line before it. Where stderr is no terminal they draw nothing.
    """
    if not sys.stderr.isatty():
        yield lambda title: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    # Without markup: [red] in the name of a file is a name.
    title, status = (TextColumn(words, markup=False) for words in ("{task.description}", "{task.fields[status]}"))
    columns = (title, BarColumn(bar_width=28), status)
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0, status="")

        def watcher(title: str) -> Watch:
            bar.reset(task, description=visible(title), status="")
            valid = ""

            def watch(step: Step) -> None:
                nonlocal valid
                if step.valid_nats is not None:
                    valid = f", validation {_in_unit(step.valid_nats, space)}"
                speed = step.step / max(step.seconds, 1e-9)
                left = step.seconds * (1.0 - step.progress) / max(step.progress, 1e-9)
                status = f"step {step.step}, {speed:.1f}/s, {_in_unit(step.nats, space)}{valid}, {left:.0f} s left"
                bar.update(task, completed=step.progress, status=status)

            return watch

        yield watcher


@contextmanager
def at_work(what: str) -> Iterator[Callable[[str], None] | None]:
    """A line that names the current task and replaces the line before it; None if stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("") as status:
        yield lambda name: status.update(Text(visible(f"{what}: {name}")))


def _in_unit(nats: float, space: Space) -> str:
    if space.measure is Measure.MASS:
        return f"{-nats / (space.dims * LN2):.3f} bits/dim"
    return f"{nats:.3f} nats"


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
