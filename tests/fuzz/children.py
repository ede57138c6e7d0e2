"""A process that forks a child for every input: each starts afresh, and none can bring the harness down.

Run as a program it imports everything once, then reads a line {"folder": ..., "steps": [...]} from stdin for each
input and runs it in folder/home/work, with folder/aside for temporary files. It answers with a line {"results": [...],
"died": "...", "bytes": ...}: a result for each step that was run, the cause if the child did not come to its end, and
the most memory that it held.
"""

import contextlib
import importlib
import json
import os
import pkgutil
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MEMORY = 2 << 30  # bytes beyond what the imports hold
SECONDS = 60.0
HEAVY = ("pyarrow.csv", "pyarrow.parquet", "PIL.Image", "soundfile", "matplotlib.pyplot", "safetensors.torch", "pandas")


class Children:
    """The other end: starts the process when it is first needed, and asks it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, folder: Path, steps: list[list[str]]) -> dict[str, Any]:
        if self._process is None or self._process.poll() is not None:
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "MPLBACKEND": "agg"}
            environment.pop("LOGLIK_DATA", None)
            self._process = subprocess.Popen(
                [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"folder": str(folder), "steps": steps}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            self._process = None


def serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what is printed while importing must not pass for an answer
    _import_all()
    for line in sys.stdin:
        asked = json.loads(line)
        answers.write(json.dumps(_in_a_child(asked["folder"], asked["steps"])) + "\n")
        answers.flush()


def _import_all() -> None:
    import loglik

    for module in pkgutil.walk_packages(loglik.__path__, "loglik."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in HEAVY:
        importlib.import_module(name)


def _in_a_child(folder: str, steps: list[list[str]]) -> dict[str, Any]:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        os.setsid()
        _limit_memory()
        with os.fdopen(theirs, "w") as pipe:
            json.dump(_run(folder, steps), pipe)
        os._exit(0)
    os.close(theirs)
    told, end = b"", time.monotonic() + SECONDS
    while select.select([ours], [], [], max(0.0, end - time.monotonic()))[0]:
        part = os.read(ours, 1 << 16)
        told += part
        if not part:
            break
    os.close(ours)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    answer = {"results": [], "died": "", "bytes": used.ru_maxrss * 1024}
    try:
        return {**answer, "results": json.loads(told)}
    except ValueError:
        late = time.monotonic() >= end
        return {**answer, "died": f"took more than {SECONDS:g} s" if late else f"died of signal {os.WTERMSIG(status)}"}


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _run(folder: str, steps: list[list[str]]) -> list[dict[str, Any]]:
    """The steps one after the other, up to the first that does not succeed."""
    os.chdir(Path(folder, "home", "work"))
    tempfile.tempdir = str(Path(folder, "aside"))
    results = []
    for step in steps:
        result: dict[str, Any] = {"code": 0, "error": "", "trace": "", "raw": []}
        with _captured() as said:
            try:
                result["raw"] = _call(step[1]) if step[0] == "python" else _command(step)
            except SystemExit as end:
                result["code"] = end.code if isinstance(end.code, int) else 1
            except BaseException as error:
                result["code"] = getattr(error, "exit_code", 1)
                result["error"] = f"{type(error).__name__} {error}"
                result["trace"] = traceback.format_exc()
        for details in Path(tempfile.tempdir).glob("loglik-*.txt"):  # of what the command did not foresee
            result["trace"] = details.read_text(errors="replace")
        results.append({**result, **said})
        if result["code"]:
            break
    return results


def _command(step: list[str]) -> list[str]:
    from loglik.cli import main

    sys.argv = ["loglik", *step]
    main(step)
    return []


def _call(source: str) -> list[str]:
    """Runs source text; warnings of others than us are returned."""
    import numpy as np
    import torch

    import loglik
    from loglik.errors import FitWarning

    with warnings.catch_warnings(record=True) as raw:
        warnings.simplefilter("always")
        exec(source, {"loglik": loglik, "np": np, "torch": torch})
    return [str(warning.message) for warning in raw if not issubclass(warning.category, FitWarning)]


@contextlib.contextmanager
def _captured() -> Iterator[dict[str, str]]:
    """What is written to stdout and stderr, also by libraries in C, is in the dict afterwards."""
    said: dict[str, str] = {}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        try:
            yield said
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(ValueError, OSError):  # closed already
                    stream.flush()
            for name, file in (("out", out), ("err", err)):
                file.seek(0)
                said[name] = file.read(1 << 20).decode("utf-8", "backslashreplace")


if __name__ == "__main__":
    serve()
