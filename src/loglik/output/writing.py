"""Files that are the old ones or the whole new ones, whatever happens in between; modes as the user has them.

A new file has the mode that the umask gives, a replaced one keeps its own, and a symbolic link is followed. What a
killed process left half written bears the process's number, and goes when the same file is written again.
"""

import contextlib
import errno
import os
import platform
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

from loglik.errors import LoglikError, WriteFailed

TEMPORARY = re.compile(r"\.loglik-[0-9a-f]{12}-([0-9a-f]{12})-([0-9]{1,10})-[0-9a-f]{12}\.tmp")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def failures(path: Path) -> Iterator[None]:
    """What the system refuses inside becomes one line about `path`."""
    try:
        yield
    except LoglikError:
        raise
    except OSError as error:
        full = error.errno in FULL
        what = "the disk is full" if full else error.strerror or str(error)
        advice = "free space or choose another place" if full else "choose another place"
        raise WriteFailed(f"Could not write {path}: {what}. Nothing was changed; {advice}.") from None


def write_atomic(path: Path, data: bytes) -> None:
    """The file is either the old one or the whole new one.

    Raises:
        WriteFailed: no space, no permission, not a place for a file.
    """
    write_all({path: data})


def write_all(files: Mapping[Path, bytes]) -> None:
    """Several files, none of which takes its place before all are on the disk.

    Raises:
        WriteFailed: see `write_atomic`; what was there is there still.
    """
    waiting: dict[str, Path] = {}
    try:
        for path, data in files.items():
            with failures(path):
                target = Path(os.path.realpath(path))
                target.parent.mkdir(parents=True, exist_ok=True)
                _sweep(target)
                waiting[_written_beside(target, data)] = target
        for temporary, target in list(waiting.items()):
            with failures(target):
                os.replace(temporary, target)
            del waiting[temporary]
    finally:
        for temporary in waiting:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _written_beside(target: Path, data: bytes) -> str:
    """A new file in the folder of `target`, on the disk, with the mode that `target` has or would get."""
    name = f".loglik-{_mark(target.name)}-{_mark(platform.node())}-{os.getpid()}-{secrets.token_hex(6)}.tmp"
    temporary = str(target.parent / name)
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            with contextlib.suppress(FileNotFoundError):
                there = os.stat(target)
                if not stat.S_ISREG(there.st_mode):
                    raise OSError(errno.EINVAL, "what is there is no file")
                mode = stat.S_IMODE(there.st_mode)
                if mode != stat.S_IMODE(os.fstat(handle).st_mode):  # not all file systems have modes
                    os.chmod(temporary, mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return temporary


def _sweep(target: Path) -> None:
    """Remove what killed processes left half written of this file."""
    start = f".loglik-{_mark(target.name)}-"
    for name in os.listdir(target.parent):
        if name.startswith(start):
            remove_abandoned(target.parent / name)


def remove_abandoned(path: Path) -> None:
    """Remove a half written file if the process that wrote it, on this machine, is no more."""
    match = TEMPORARY.fullmatch(path.name)
    if match is None or os.name != "posix" or match[1] != _mark(platform.node()):
        return
    try:
        os.kill(int(match[2]), 0)  # asks only whether it is there
    except (ProcessLookupError, OverflowError):
        with contextlib.suppress(OSError):
            path.unlink()
    except OSError:  # another user's
        return


def _mark(name: str) -> str:
    return blake2b(os.fsencode(name), digest_size=6).hexdigest()
