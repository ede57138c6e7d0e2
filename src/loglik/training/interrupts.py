"""Ctrl-C and SIGTERM end a fit at the next step instead of in the middle of one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Whether someone has asked to stop."""

    asked = False


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Note the first signal; a second one interrupts at once. Outside the main thread signals are not ours to catch."""
    noted = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, frame: FrameType | None) -> None:
        if noted.asked:
            raise KeyboardInterrupt
        noted.asked = True

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
