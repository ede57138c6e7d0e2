"""Two trees of loglik: another commit's source, and a worker process for each."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".bench"  # numba keeps what it compiled beside a source, so that is kept from one run to the next
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def checked_out(commit: str) -> Path:
    """The source folder of that commit, as git has it; commits of equal sources share one, and what is compiled for it.

    Raises:
        subprocess.CalledProcessError: git knows no such commit.
    """
    sha = git("rev-parse", "--verify", f"{commit}^{{commit}}:src").decode().strip()
    folder = KEPT / sha
    if not folder.exists():
        KEPT.mkdir(exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=KEPT))
        (draft / "tar").write_bytes(git("archive", "--prefix=src/", sha))
        with tarfile.open(draft / "tar") as archive:
            archive.extractall(draft, filter="data")
        (draft / "tar").unlink()
        draft.rename(folder)
    return folder / "src"


def copied(source: Path, folder: Path) -> Path:
    """A copy of a source folder, with what numba compiled for it left out."""
    return Path(shutil.copytree(source, folder / "src", ignore=shutil.ignore_patterns("__pycache__")))


def git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True).stdout


@dataclass
class Worker:
    """A process that times the loglik of one source folder; it answers requests in their order, see `worker`."""

    source: Path
    process: "subprocess.Popen[str]" = field(init=False)

    def __post_init__(self) -> None:
        path = os.pathsep.join(map(str, (self.source, ROOT)))
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": path}
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.quick.worker"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ask(where=True)
        found = Path(self.answer())
        if not found.is_relative_to(self.source):
            raise RuntimeError(f"Expected the loglik in {self.source}; the worker imported {found}.")

    def ask(self, **request: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The worker of {self.source} ended; its error is above.")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        self.process.communicate()  # closes the pipes, and waits
