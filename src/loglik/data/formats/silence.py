"""Libraries in C that write to stderr by themselves, kept silent: what is wrong with a file is one line of ours."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

STDERR = 2


@contextmanager
def silent() -> Iterator[None]:
    """Nothing that is written to stderr within is seen, as libtiff and mpg123 write of damage."""
    try:
        kept = os.dup(STDERR)
    except OSError:  # there is none
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDERR)
    try:
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(nowhere)
        os.close(kept)
