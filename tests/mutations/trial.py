"""Each mutation on trial: a copy of the package with the mistake in it, the tests and `check` run against the copy."""

import contextlib
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
from mutation import SOURCE, Mutation

ROOT = SOURCE.parents[1]
LAWS = "tests/laws/test_laws.py"
PATIENCE = 900  # seconds that tests, or `check`, may take


@dataclass(frozen=True)
class Trial:
    """What happened: `suite` names the test that failed, "" if all passed; `check` the laws broken, None if not asked.

    `seconds` of the tests, and of `check`.
    """

    name: str
    suite: str
    check: list[str] | None
    seconds: tuple[float, float]

    @property
    def caught(self) -> bool:
        return bool(self.suite)


class Copy:
    """A copy of src/, to be changed; beside it what numba compiled, so that later trials find it again.

    It is always in the same place, for numba knows functions by the path of their file. So one process at a time.
    """

    def __init__(self, folder: Path = ROOT / ".mutations") -> None:
        self.source, self.caches = folder / "src", folder / "numba"
        shutil.rmtree(self.source, ignore_errors=True)
        shutil.copytree(SOURCE.parent, self.source, ignore=shutil.ignore_patterns("__pycache__"))

    @contextlib.contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        """The mistake is in the copy within, and gone afterwards."""
        path = self.source / "loglik" / mutation.file
        text, stat = path.read_text(), path.stat()
        path.write_text(mutation.applied(text))
        try:
            yield
        finally:
            path.write_text(text)
            os.utime(path, (stat.st_atime, stat.st_mtime))
            # What Python compiled knows files by size and second, and both may be the same.
            for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
                compiled.unlink()

    def cache(self, mutation: Mutation) -> Path:
        """Where numba keeps what it compiles: apart where it compiles the mistake."""
        return self.caches / (mutation.name if mutation.kernel else "shared")


def tried(mutation: Mutation, copy: Copy, *, suite: bool, check: bool) -> Trial:
    """Run against the tests that should notice the mistake, and against `check` if it is asked.

    Raises:
        RuntimeError: the test that noticed it fails without the mistake too.
    """
    with copy.mutated(mutation):
        started = time.perf_counter()
        failed = apart(first_failure, mutation, copy) if suite else ""
        between = time.perf_counter()
        broken = apart(laws_broken, mutation, copy) if check and mutation.case is not None else None
        ended = time.perf_counter()
    if failed and apart(lambda _: failure_of([failed]), mutation, copy):
        raise RuntimeError(f"{failed} fails without {mutation.name} too, so it says nothing.")
    return Trial(mutation.name, failed, broken, (round(between - started, 1), round(ended - between, 1)))


def false_alarms(mutation: Mutation, copy: Copy) -> list[str]:
    """The laws that `check` finds broken by the same model without the mistake: there should be none."""
    broken: list[str] = apart(laws_broken, mutation, copy)
    return broken


def apart(question: Callable[[Mutation], Any], mutation: Mutation, copy: Copy) -> Any:
    """What a process of its own answers, which finds the copy before any other loglik.

    The process is a fork of this one: it has loaded torch already, and forgets all that it knows of loglik.
    """
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    process = fork.Process(target=answer, args=(there, question, mutation, copy))
    process.start()
    there.close()
    try:
        result = here.recv() if here.poll(PATIENCE) else TimeoutError(f"no end within {PATIENCE} s")
    except EOFError:
        result = RuntimeError(f"{mutation.name}: the process ended without an answer.")
    process.kill()
    process.join()
    if isinstance(result, BaseException):
        raise result
    return result


def answer(to: Connection, question: Callable[[Mutation], Any], mutation: Mutation, copy: Copy) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("loglik", "cases")]:
        del sys.modules[name]
    sys.path.insert(0, str(copy.source))
    os.environ |= {"PYTHONPATH": str(copy.source), "NUMBA_CACHE_DIR": str(copy.cache(mutation))}
    os.chdir(ROOT)
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            result = question(mutation)
    except BaseException as error:
        result = RuntimeError(f"{mutation.name}: {type(error).__name__}: {error}")
    to.send(result)


def first_failure(mutation: Mutation) -> str:
    """The first test that fails, or "" if none does."""
    runs = [[*mutation.tests]] if mutation.tests else []
    runs += [[LAWS, "-k", mutation.laws]] if mutation.laws else []
    return next((failed for arguments in runs if (failed := failure_of(arguments))), "")


class FirstFailure:
    """A plugin of pytest that remembers which test failed first, or which file could not be collected."""

    name = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid


def failure_of(arguments: Sequence[str]) -> str:
    first = FirstFailure()
    code = pytest.main(["-x", "-qq", "-p", "no:cacheprovider", "--tb=no", "--no-summary", *arguments], [first])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise RuntimeError(f"pytest {' '.join(arguments)} ended with {code}: nothing was tried.")
    return first.name


def laws_broken(mutation: Mutation) -> list[str]:
    """The laws that `check` finds broken; a model that cannot be made or fitted is caught too."""
    from cases import Case
    from loglik import spaces
    from loglik.laws import check

    assert mutation.case is not None
    # The case is of the classes that were there before the copy.
    given = {key: getattr(mutation.case, key) for key in ("model_name", "hyperparameters")}
    space, context = (
        own and spaces.space_from_json(own.to_json()) for own in (mutation.case.space, mutation.case.context)
    )
    torch.manual_seed(0)
    try:
        return [result.law for result in check(Case(space=space, context=context, **given).model()).broken]
    except Exception as error:
        return [f"it threw {type(error).__name__}"]


RECORD = Path(__file__).with_name("record.json")


def recorded() -> dict[str, Trial]:
    """The trials on record, by name."""
    if not RECORD.exists():
        return {}
    rows = json.loads(RECORD.read_text())
    return {row["name"]: Trial(**{**row, "seconds": tuple(row["seconds"])}) for row in rows}


def keep(trials: dict[str, Trial], order: Sequence[str]) -> None:
    """Write the record, in the order of the table."""
    rows = [json.dumps(asdict(trials[name])) for name in order if name in trials]
    RECORD.write_text("[\n" + ",\n".join(rows) + "\n]\n")
