"""One input: files in a folder, and what is done there. It can be written to a file and tried again."""

import base64
import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PYTHON = "python"  # the first word of a step whose second is source text, run with `loglik`, `np` and `torch` at hand
Step = tuple[str, ...]


@dataclass(frozen=True)
class Attempt:
    """What a grammar draws.

    `files` are written to an empty folder, `links` (target by name) and `pipes` made there, and `step` is run in it:
    the words of a command, without `loglik`, or ("python", SOURCE). It may be refused. If it succeeds, the steps of
    `then` follow, and none of them may be refused. Only what `makes` names may come into being or change.
    """

    step: Step
    files: Mapping[str, bytes] = field(default_factory=dict)
    then: tuple[Step, ...] = ()
    makes: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    pipes: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        return (self.step, *self.then)

    def unpack(self, folder: Path) -> None:
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for name, target in self.links.items():
            os.symlink(target, folder / name)
        for name in self.pipes:
            os.mkfifo(folder / name)

    def __str__(self) -> str:
        shown = sorted(self.files, key=lambda name: (name.count("/"), name))[:4]
        told = [f"{name!r}: {self.files[name][:160]!r}, {len(self.files[name])} bytes" for name in shown]
        told += [f"and {len(self.files) - 4} more files"] * (len(self.files) > 4)
        told += [f"{name!r} -> {target!r}" for name, target in self.links.items()]
        told += [f"{name!r} is a pipe" for name in self.pipes]
        return "\n".join([*told, *(in_words(step) for step in self.steps)])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("the input above")  # as hypothesis prints it

    def to_json(self) -> str:
        files = {name: base64.b64encode(content).decode() for name, content in self.files.items()}
        more = {"makes": self.makes, "links": dict(self.links), "pipes": self.pipes}
        return json.dumps({"step": self.step, "then": self.then, "files": files, **more}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Attempt":
        whole: dict[str, Any] = json.loads(text)
        return cls(
            tuple(whole["step"]),
            {name: base64.b64decode(content) for name, content in whole["files"].items()},
            tuple(map(tuple, whole["then"])),
            tuple(whole["makes"]),
            whole["links"],
            tuple(whole.get("pipes", ())),
        )


def in_words(step: Step) -> str:
    return step[1] if step[0] == PYTHON else f"loglik {shlex.join(step)}"
