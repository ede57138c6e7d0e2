"""The law for every input, and the one place that says it.

A command succeeds: its results can be read back and are finite, or are listed as not finite. Or it is refused: one line
on stderr that begins with "loglik: ", nothing on stdout, nothing left behind, the exit code of an error of ours. A call
of the library returns or raises an error of ours. There is never a traceback, a message or a warning of another
library, more than 2 GB or 60 s, nor a change to a file that was there.
"""

import atexit
import hashlib
import json
import math
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attempt import PYTHON, Attempt, Step, in_words
from children import MEMORY, Children

from loglik.errors import LoglikError

FOUND = Path(__file__).parents[2] / ".fuzz"  # where broken inputs are kept, to try them again
USAGE = 2
NO_CAUSE = (1, 60, 70)  # the root of our errors, memory that was taken before it was counted, what nobody foresaw
CHILDREN = Children()
atexit.register(CHILDREN.close)
PARTIAL = (40, 41, 50, 130)  # with these a command may have said and kept something before
# What other libraries say: no user should read it.
RAW = re.compile(
    r"Traceback|site-packages|\w+Warning\b|\[Errno|<class |object at 0x|'NoneType'|DefaultCPUAllocator|RuntimeError|"
    r"TypeError|has no attribute|index out of range|size mismatch for|argument must be|got an unexpected keyword|"
    r"ArrowInvalid|not subscriptable|not iterable|codec can't|mathtext|Glyph \d+"
)
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Outcome:
    """`name` is "succeeded" or the error that refused; `broken` says how the law is broken, empty where it holds.

    `kind` is the same for inputs that break it in one way; `told` is what was printed.
    """

    name: str
    broken: str = ""
    kind: str = ""
    told: str = ""


class Broken(AssertionError):
    """The law is broken; the message holds the input and the command that tries it again."""

    def __init__(self, grammar: str, attempt: Attempt, outcome: Outcome) -> None:
        FOUND.mkdir(exist_ok=True)
        digest = hashlib.blake2b(f"{grammar} {outcome.kind}".encode(), digest_size=4).hexdigest()
        path = FOUND / f"{grammar}-{digest}.json"
        path.write_text(attempt.to_json())
        again = f"Again: python -m tests.fuzz --again {os.path.relpath(path)}"
        super().__init__(f"{outcome.broken}\n{attempt}\n{outcome.told}\n{again}")


def judge(attempt: Attempt) -> Outcome:
    """Tries an input in a folder of its own, and holds the law against what came of it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        return _judged(attempt, Path(place))


def files_made(attempt: Attempt, name: str) -> dict[str, bytes]:
    """What an attempt that succeeds leaves in the folder `name`, by path."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        outcome = _judged(attempt, Path(place))
        assert outcome.name == "succeeded", outcome
        work = Path(place, "home", "work")
        return {str(p.relative_to(work)): p.read_bytes() for p in sorted((work / name).rglob("*")) if p.is_file()}


def _judged(attempt: Attempt, place: Path) -> Outcome:
    home = place / "home"
    (home / "work").mkdir(parents=True)
    (place / "aside").mkdir()
    attempt.unpack(home / "work")
    before = state(home)
    answer = CHILDREN.run(place, [list(step) for step in attempt.steps])
    results = answer["results"]
    last = results[-1] if results else {"code": 1}
    name = error_names().get(last["code"], "not an error of ours") if last["code"] else "succeeded"
    told = "\n".join(f"{key}: {last[key][-900:]}" for key in ("trace", "error", "out", "err") if last.get(key))
    for broken, kind in breaks(attempt, answer, before, state(home)):
        return Outcome(name, broken, kind, told)
    return Outcome(name, told=told)


def breaks(
    attempt: Attempt, answer: dict[str, Any], before: dict[str, str], after: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """How an input breaks the law, in words, and the kind of it."""
    if answer["died"]:
        yield f"The process {answer['died']}.", f"{attempt.step[0]} {answer['died']}"
    if answer["bytes"] > MEMORY:
        yield f"Took {answer['bytes'] / 2**30:.1f} GB.", f"{attempt.step[0]} took memory"
    for step, result in zip(attempt.steps, answer["results"], strict=False):
        for broken in step_breaks(step, result):
            yield f"{broken}\nin: {in_words(step)}", broken.split(": ")[0]
    reached = len(answer["results"])
    code = answer["results"][-1]["code"] if answer["results"] else 0
    if code and reached > 1:
        words = in_words(attempt.steps[reached - 1])
        yield f"Refused what loglik itself made or read before: {words}", f"refused later by {words.split()[1]}"
    for path, content in before.items():
        if after.get(path) != content and not belongs(path, attempt.makes):
            yield f"Changed or removed {path}, which was there before.", f"{attempt.step[0]} changed a file"
    for path in after.keys() - before.keys():
        if not belongs(path, attempt.makes):
            yield f"Left {path} behind.", f"{attempt.step[0]} left something behind"
        if code and code not in PARTIAL and reached == 1:
            yield f"Was refused, and left {path} behind.", f"{attempt.step[0]} was refused and left something"


def step_breaks(step: Step, result: dict[str, Any]) -> Iterator[str]:
    """How one command or call breaks the law."""
    code, error, out, err = (result[key] for key in ("code", "error", "out", "err"))
    if code and code not in error_names():
        yield f"Ended in {where(result)}"
    if step[0] == PYTHON:
        if RAW.search(error):
            yield f"Another library's words ({RAW.search(error)[0]}): {error}"
        if result["raw"]:
            yield f"A raw warning: {result['raw'][0]}"
        return
    if error:
        yield f"Ended in {where(result)}"
    if found := RAW.search(err):
        yield f"Another library's words ({found[0]}): {err}"
    if CONTROL.search(err) or CONTROL.search(out.replace("\t", "")):
        yield f"Control characters of a name are obeyed: {out[-300:]!r} {err!r}"
    if code:
        lines = err.splitlines()
        if not lines or not lines[-1].startswith("loglik: "):
            yield f"The last line is not ours: {err!r}"
        if code not in PARTIAL and (len(lines) != 1 or out):
            yield f"More than one line: {out[-300:]!r} {err!r}"
    elif "--json" in step:
        yield from number_breaks(out)


def number_breaks(out: str) -> Iterator[str]:
    """JSON can be read; a mean that is not finite stands beside the rows that are not."""
    try:
        parts = [json.loads(out)]
    except ValueError:
        yield f"No JSON: {out[:300]!r}"
        return
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            nats = part.get("nats")
            if "not_finite" in part and not math.isfinite(float(nats)) and not part["not_finite"]:
                yield f"Not finite, and no row is listed: {nats}"
        parts += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()


def where(result: dict[str, Any]) -> str:
    """The type of an exception, and the innermost place in loglik."""
    places = re.findall(r'loglik/([\w/]+\.py)", line \d+, in (\w+)', result["trace"])
    kind = (re.findall(r"^(\w+)(?::|$)", result["trace"], re.MULTILINE) or ["nothing that is known"])[-1]
    return f"{kind} at {' '.join(places[-1])}" if places else f"{kind}, code {result['code']}"


def error_names() -> dict[int, str]:
    """Exit code -> the error, for all that name a cause."""
    kinds, names = [LoglikError], {USAGE: "UsageError"}
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        names.setdefault(kind.exit_code, kind.__name__)
    return {code: name for code, name in names.items() if code not in NO_CAUSE}


def state(home: Path) -> dict[str, str]:
    """Every file, link and folder in a place, by its path from the folder `work`, with its mode and content."""
    found = {}
    for folder, folders, files in os.walk(home):
        for name in (*folders, *files):
            path = Path(folder, name)
            mode = path.lstat().st_mode
            content = (
                os.readlink(path).encode(errors="surrogateescape")
                if stat.S_ISLNK(mode)
                else path.read_bytes()
                if stat.S_ISREG(mode)
                else b""
            )
            found[os.path.relpath(path, home / "work")] = f"{mode:o} {hashlib.blake2b(content).hexdigest()}"
    return found


def belongs(path: str, made: tuple[str, ...]) -> bool:
    return any(path == name or path.startswith(f"{name}/") for name in made)
