"""One process at a time on one folder. The system holds the lock, so a process that is killed lets go of it.

The lock is flock's, on a file inside the folder, which moves where the folder moves and is removed at the end.
"""

import contextlib
import errno
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from loglik.errors import FitWarning, RunInUse
from loglik.output.writing import failures

try:
    import fcntl

    LOCKS = True
except ImportError:  # Windows
    LOCKS = False

LOCK = ".loglik.lock"
BUSY = (errno.EWOULDBLOCK, errno.EACCES)


class Lock:
    """A folder that this process holds; `folder` is where it is now."""

    def __init__(self, folder: Path, name: Path | None = None) -> None:
        """
        Args:
            name: what messages call it.

        Raises:
            RunInUse: another process holds it. OSError: the folder cannot be written.
        """
        self.folder = folder
        self.handle: int | None = None
        while self.handle is None:
            handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
            try:
                if not _taken(handle):
                    warnings.warn(
                        f"There are no locks at {name or folder}: see that no other loglik writes there meanwhile.",
                        FitWarning,
                        stacklevel=3,
                    )
                # Who held it before may have removed the file, or moved the folder, since it was opened.
                if _same(handle, folder / LOCK):
                    self.handle = handle
            except BlockingIOError:
                raise RunInUse(
                    f"Another loglik is at work on {name or folder}. Wait until it has ended, or choose another folder."
                ) from None
            finally:
                if self.handle is None:
                    os.close(handle)

    def release(self) -> None:
        if self.handle is None:
            return
        with contextlib.suppress(OSError):
            if _same(self.handle, self.folder / LOCK):
                os.unlink(self.folder / LOCK)
        os.close(self.handle)
        self.handle = None


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder while the block runs.

    Raises:
        RunInUse: another process holds it. WriteFailed: it cannot be written.
    """
    with failures(folder):
        lock = Lock(folder)
    try:
        yield
    finally:
        lock.release()


def _taken(handle: int) -> bool:
    """Take the lock of an open file; False where there are no locks."""
    if not LOCKS:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in BUSY:
            raise BlockingIOError(error.errno, "held by another process") from None
        return False
    return True


def _same(handle: int, path: Path) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), there)
