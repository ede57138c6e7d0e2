"""A machine on which commands of loglik can be broken: killed at any file operation or moment, or out of disk.

One process imports loglik once and forks a child for each command, so a trial costs what the command itself does. In
the child the calls of the system that change files inside the working folder are counted; at the chosen one it is
killed, or that one and all later ones fail as on a full disk.
"""

import contextlib
import errno
import fcntl
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# Imported once, not in every child. Not pyarrow, whose threads would be lost in a child.
SLOW = ("loglik.cli.app", "loglik.report", "torch._dynamo", "matplotlib.figure", "scipy.special", "PIL.Image", "jinja2")
SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of Linux
KILLED = -signal.SIGKILL
CHANGING = ("open", "fsync", "replace", "rename", "mkdir", "rmdir", "unlink")
FILLING = ("open", "fsync", "replace", "rename", "mkdir")  # what a full disk refuses


@dataclass(frozen=True)
class Job:
    """A command in a folder, and what befalls it."""

    folder: str
    arguments: tuple[str, ...]
    kill_at: int | None = None  # the file operation before which it is killed, counted from 0
    full_at: int | None = None  # the one from which on the disk is full
    kill_after: float | None = None  # seconds
    largest: int | None = None  # bytes of a file, as the system itself limits them


@dataclass(frozen=True)
class Outcome:
    code: int  # KILLED where it was killed
    said: str
    operations: int
    seconds: float


class Machine:
    """Runs jobs one after the other, in a process of its own."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(self, folder: Path, *arguments: str, **fate: Any) -> Outcome:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = Job(str(folder), tuple(map(str, arguments)), **fate)
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@contextlib.contextmanager
def machine() -> Iterator[Machine]:
    one = Machine()
    try:
        yield one
    finally:
        one.close()


def serve() -> None:
    """Answer jobs from stdin until it ends."""
    for module in SLOW:
        importlib.import_module(module)
    for line in sys.stdin:
        fields = json.loads(line)
        job = Job(**{**fields, "arguments": tuple(fields["arguments"])})
        print(json.dumps(asdict(_done(job))), flush=True)


def _done(job: Job) -> Outcome:
    (said, out), (counted, count) = _pipe(), _pipe()
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        _child(job, out, count)
    os.close(out)
    os.close(count)
    status = _waited(child, job.kill_after)
    seconds = time.perf_counter() - began
    with os.fdopen(said, errors="replace") as words, os.fdopen(counted) as number:
        return Outcome(os.waitstatus_to_exitcode(status), words.read(), int(number.read() or 0), seconds)


def _pipe() -> tuple[int, int]:
    """Pipes, and not files, which a job may limit; wide enough for all that a command says."""
    reading, writing = os.pipe()
    with contextlib.suppress(OSError):
        fcntl.fcntl(writing, SET_PIPE_SIZE, 2**20)
    return reading, writing


def _waited(child: int, kill_after: float | None) -> int:
    """The status of a child that has ended, or was killed after so many seconds."""
    if kill_after is not None:
        end = time.perf_counter() + kill_after
        while time.perf_counter() < end:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _child(job: Job, out: int, counted: int) -> None:
    """Never returns."""
    code = 99
    try:
        for stream in (1, 2):
            os.dup2(out, stream)
        os.chdir(job.folder)
        sys.argv = ["loglik", *job.arguments]
        count = _armed(job)
        if job.largest is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (job.largest, resource.RLIM_INFINITY))
        from loglik.cli.app import run

        code = run(list(job.arguments))
        sys.stdout.flush()
        os.write(counted, str(count()).encode())
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _armed(job: Job) -> Callable[[], int]:
    """Count the file operations from now on, and let the fate come; gives the count."""
    here, done = os.getcwd(), 0

    def watched(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal done
            creating = name != "open" or arguments[1] & os.O_CREAT
            inside = name == "fsync" or os.path.abspath(os.fsdecode(arguments[0])).startswith(here)
            if creating and inside:
                if done == job.kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                full = job.full_at is not None and done >= job.full_at
                done += 1
                if full and name in FILLING:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return original(*arguments, **options)

        return call

    for name in CHANGING:
        setattr(os, name, watched(name))
    return lambda: done


if __name__ == "__main__":
    serve()
