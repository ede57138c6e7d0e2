"""A run from a stranger: every edit of its files is refused in one line, and it opens, sets and runs nothing."""

import copy
import json
import os
import shutil
import stat
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.modules.module import register_module_parameter_registration_hook

from loglik import Integer, build, load, save
from loglik.cli.app import run as command
from loglik.data import Memory, open_dataset
from loglik.errors import CorruptRun, NewerRun, RunError, RunMismatch, RunNotFound, TooLarge, UsageError
from loglik.report import run_report
from loglik.runs.run import HISTORY, RUN, WEIGHTS, read_record
from loglik.spaces import Real
from loglik.storage.reading import read_tensors
from loglik.storage.writing import write_tensors
from loglik.tasks.fitting import fit_run
from loglik.tasks.unseen import ROWS, learnt_from
from loglik.training.gradient import GradientTraining
from loglik.training.options import Options
from loglik.training.state import restore_state, save_state

ABSENT = object()
BIG = 1 << 70


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    options = {"steps": 4, "batch": 64, "evaluations": 2}
    fit_run(open_dataset("moons"), folder, source="moons", model="made", hyperparameters={"hidden": "8"},
            options=options, samples=2)  # fmt: skip
    return folder


@pytest.fixture
def run(fitted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted, tmp_path / "run"))


def one_line(refusal: BaseException) -> None:
    said = str(refusal)
    assert said
    assert "\n" not in said
    assert len(said) < 600
    for raw in ("object has no attribute", "unexpected keyword", "not subscriptable", "codec can't", "Traceback"):
        assert raw not in said


# The place of an entry of run.json, and what is put there; each must be refused.
EDITS: list[tuple[str, Any]] = [
    *[("format", value) for value in (None, True, "2", 2.0, -1, [2], {})],
    *[("model", value) for value in (ABSENT, None, [], "made", 7)],
    *[("model.name", value) for value in (ABSENT, None, 5, ["made"], {}, "n" * 500)],
    *[("model.hyperparameters", value) for value in (ABSENT, None, [], "hidden")],
    *[("model.hyperparameters.hidden", v) for v in ("8\n8", {}, {"kind": "Real"}, [[8]], [None], [1e400], [BIG], [-1])],
    *[("model.hyperparameters.masks", value) for value in (BIG, -1, 1.5, float("nan"), [], "many")],
    *[("model.hyperparameters.dropout", value) for value in (float("nan"), float("inf"), "half", [0.1], 7)],
    ("model.hyperparameters.no_such_thing", 1),
    *[("model.space", value) for value in (ABSENT, None, "Real", [], {"kind": "Real"})],
    *[("model.space.kind", value) for value in (ABSENT, None, "Complex", 1, ["Real"], "__class__")],
    *[("model.space.shape", value) for value in (ABSENT, None, 2, "2", [], [0], [-2], [2.0], [True], ["2"], [[2]])],
    *[("model.space.shape", value) for value in ([BIG], [1 << 39], [1 << 20, 1 << 20], [1] * 40, [3])],
    ("model.space.levels", 3),
    ("model.space.kind_2", 1),
    *[("claim", value) for value in (None, 1, "proven", ["exact"])],
    *[("parameters", value) for value in (None, -1, 1.5, "9")],
    *[("versions", value) for value in (None, [], {"torch": 1})],
    *[("status", value) for value in (None, "done", 1)],
    *[("command", value) for value in (None, 1, ["rm"])],
    *[("data", value) for value in ([], 1, "moons", {})],
    *[("data.columns", value) for value in ("ab", 1, [1], [None], {"a": 1})],
    *[("data.vocabulary", value) for value in ("ab", [1], {})],
    *[("data.sample_rate", value) for value in ("8000", -1, BIG, 1.5)],
    *[("data.space", value) for value in (ABSENT, None, {"kind": "Real", "shape": [BIG]})],
    *[("data.split", value) for value in ([], "random", {"window": "a"}, {"train": -1})],
    *[("data.fingerprint", value) for value in (1, [], "f" * 500)],
    *[("fit", value) for value in (None, [], 1)],
    *[("fit.options", value) for value in (None, [], {"steps_2": 1}, {"steps": "9"}, {"seed": -1}, {"seed": 1 << 64})],
    *[("fit.options.lr", value) for value in ("0.1", None, float("nan"), float("inf"), [])],
    *[("fit.history", value) for value in ([], 1, {}, {"method": 1})],
    *[("scores", value) for value in ({}, "best", [1], [{}])],
    *[("scores.0.nats", value) for value in (ABSENT, None, "1", [])],
    *[("scores.0.claim", value) for value in (ABSENT, None, "sure", 0)],
    *[("scores.0.space", value) for value in (None, {"kind": "Real"}, [])],
    *[("scores.0.not_finite", value) for value in (None, 1, ["a"], [-1])],
    *[("laws", value) for value in ([], 1, {"results": 1}, {"results": [1]})],
]  # fmt: skip


def used_in_all_ways(run: Path) -> None:
    load(run)
    run_report(run, "loglik report")
    learnt_from(run, open_dataset("moons").test)
    fit_run(open_dataset("moons"), run, source="moons", resume=True)


def edited(record: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    record = copy.deepcopy(record)
    *way, last = place.split(".")
    at: Any = record
    for step in way:
        at = at[int(step)] if step.isdigit() else at[step]
    if value is ABSENT:
        del at[last]
    else:
        at[last] = value
    return record


@pytest.mark.parametrize(("place", "value"), EDITS, ids=lambda v: "absent" if v is ABSENT else str(v)[:30])
def test_every_edit_of_the_record_is_refused(place: str, value: Any, run: Path) -> None:
    record = edited(json.loads((run / RUN).read_text()), place, value)
    (run / RUN).write_text(json.dumps(record))
    with pytest.raises((RunError, UsageError, TooLarge)) as refusal:
        used_in_all_ways(run)
    one_line(refusal.value)
    assert isinstance(refusal.value, RunError | TooLarge) or "nothing to resume" in str(refusal.value)


CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "cut": b'{"format": 2, "model": ',
    "no table": b"[2]",
    "a number": b"2",
    "two values": b'{"format": 2} {"format": 2}',
    "a key twice": b'{"format": 2, "format": 2}',
    "deep lists": b'{"format": 2, "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep tables": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "no UTF-8": b'{"format": 2, "model": "\xff"}',
    "UTF-16": '{"format": 2}'.encode("utf-16"),
    "a long number": b'{"format": ' + b"9" * 5000 + b"}",
    "large": b'{"format": 2, "a": "' + b"a" * (33 << 20) + b'"}',
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_is_no_json_of_ours_is_refused(name: str, run: Path) -> None:
    (run / RUN).write_bytes(CONTENTS[name])
    with pytest.raises(CorruptRun) as refusal:
        read_record(run)
    one_line(refusal.value)


def test_a_byte_order_mark_is_no_damage(run: Path) -> None:
    before = read_record(run)
    (run / RUN).write_bytes(b"\xef\xbb\xbf" + (run / RUN).read_bytes())
    assert read_record(run) == before


def test_a_later_format_is_said_to_be_one(run: Path) -> None:
    (run / RUN).write_text(json.dumps({**json.loads((run / RUN).read_text()), "format": 1000, "unheard": "of"}))
    with pytest.raises(NewerRun):
        load(run)


# What is done to the tensors of a file; each must be refused.
Change = Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]
FIRST = "base.net.own.hidden.0.weight"
CHANGES: dict[str, Change] = {
    "one missing": lambda t: {name: v for name, v in t.items() if name != FIRST},
    "one more": lambda t: {**t, "more": torch.zeros(2)},
    "all of another name": lambda t: {f"x.{name}": v for name, v in t.items()},
    "none": lambda t: {},
    "another shape": lambda t: {**t, FIRST: t[FIRST][:1]},
    "turned": lambda t: {**t, FIRST: t[FIRST].T.contiguous()},
    "one axis more": lambda t: {**t, FIRST: t[FIRST][None]},
    "another type": lambda t: {**t, FIRST: t[FIRST].double()},
    "whole numbers": lambda t: {**t, FIRST: t[FIRST].long()},
    "complex": lambda t: {**t, FIRST: t[FIRST].to(torch.complex64)},
    "bytes": lambda t: {**t, FIRST: t[FIRST].to(torch.int8)},
    "NaN": lambda t: {**t, FIRST: torch.full_like(t[FIRST], torch.nan)},
    "infinite": lambda t: {**t, FIRST: torch.full_like(t[FIRST], torch.inf)},
    "an anchor of whole numbers": lambda t: {**t, "_anchor": torch.empty(0, dtype=torch.int64)},
    "an anchor with a number": lambda t: {**t, "_anchor": torch.ones(1)},
    "large": lambda t: {**t, FIRST: torch.zeros(2_000_000)},
}


@pytest.mark.parametrize("name", CHANGES)
def test_weights_that_do_not_fit_are_refused(name: str, run: Path) -> None:
    tensors, about = read_tensors(run / WEIGHTS)
    assert FIRST in tensors
    write_tensors(run / WEIGHTS, CHANGES[name](tensors), about)
    with pytest.raises(CorruptRun) as refusal:
        load(run)
    one_line(refusal.value)


@pytest.mark.parametrize("value", [None, [], {"about": []}, {"about": {}}, "checksum"])
def test_what_stands_beside_the_tensors_is_checked(value: Any, run: Path) -> None:
    from safetensors.torch import save_file

    tensors, _ = read_tensors(run / WEIGHTS)
    save_file(tensors, run / WEIGHTS, None if value is None else {"loglik": json.dumps(value)})
    with pytest.raises(CorruptRun) as refusal:
        load(run)
    one_line(refusal.value)


def test_a_converted_model_keeps_its_type(tmp_path: Path) -> None:
    from loglik import save

    model = build("made", Real((2,)), hidden=(8,)).double()
    save(model, tmp_path / "run")
    assert load(tmp_path / "run").dtype is torch.float64


FILES = (RUN, WEIGHTS, HISTORY, ROWS)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "device"])
def test_only_plain_files_in_the_folder_are_opened(name: str, kind: str, run: Path, tmp_path: Path) -> None:
    """A link leads out of the folder, a pipe is never at its end, /dev/zero neither."""
    outside = tmp_path / "outside"
    (run / name).rename(outside)
    if kind == "link":
        (run / name).symlink_to(outside)
    elif kind == "device":
        (run / name).symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(run / name)
    else:
        (run / name).mkdir()
    with pytest.raises((CorruptRun, RunNotFound)) as refusal:
        used_in_all_ways(run)
    one_line(refusal.value)
    assert name in str(refusal.value)


def test_absurd_sizes_are_refused_before_they_are_taken(run: Path) -> None:
    """Nothing as large as the record says is ever allocated: torch is asked for the sizes alone."""
    taken: list[int] = []
    record = json.loads((run / RUN).read_text())
    for hidden in ([50_000, 50_000], [1_000_000], [100_000] * 8):
        (run / RUN).write_text(json.dumps(edited(record, "model.hyperparameters.hidden", hidden)))
        before = _resident()
        with pytest.raises((CorruptRun, TooLarge)) as refusal:
            load(run)
        taken.append(_resident() - before)
        one_line(refusal.value)
    assert max(taken) < 200 << 20


@pytest.mark.parametrize("name", ["pixelcnn", "glow", "transformer"])
def test_a_thousand_layers_are_refused_before_they_are_built(name: str, tmp_path: Path) -> None:
    folder = save(build(name, Integer((1, 4, 4), 4), layers=1), tmp_path / "run")
    record = json.loads((folder / RUN).read_text())
    (folder / RUN).write_text(json.dumps(edited(record, "model.hyperparameters.layers", 1000)))
    made: list[str] = []
    hook = register_module_parameter_registration_hook(lambda module, name, tensor: made.append(name))
    try:
        with pytest.raises(CorruptRun, match=r"it describes one of many more\. Restore it, or fit again") as refusal:
            load(folder)
    finally:
        hook.remove()
    one_line(refusal.value)
    assert len(made) < 1000
    (folder / RUN).write_text(json.dumps(record))
    assert load(folder).space == Integer((1, 4, 4), 4)


def _resident() -> int:
    """Bytes of memory that this process ever held at once."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def training() -> GradientTraining:
    x = torch.randn(64, 2)
    train, valid = Memory(Real((2,)), x), Memory(Real((2,)), torch.randn(40, 2))
    model = build("made", Real((2,)), hidden=(8,), seed=0)
    model.initialize(x)
    return GradientTraining(model, train, valid, Options(steps=10, batch=16, evaluations=5))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    from loglik.training.interrupts import interrupts

    one = training()
    with interrupts() as noted:
        one.run(noted, None, lambda t: save_state(tmp_path / "state", t))
    return tmp_path / "state"


STATES: list[tuple[str, Any]] = [
    ("counters.model", 1),
    ("counters.run", "x"),
    ("counters.__class__", "x"),
    *[("counters.step", value) for value in (ABSENT, None, "1", -1, 1.5, BIG, True)],
    *[("counters.recent", value) for value in (None, 1, ["a"], [float("nan")])],
    *[("counters.seconds", value) for value in (None, "1", -1.0, float("inf"))],
    *[("looks.counters", value) for value in (ABSENT, {}, {"model": 1})],
    *[("looks.counters.valid", value) for value in (1, None)],
    *[("looks.rows", value) for value in (None, 0, "9", BIG)],
    *[("looks.steps", value) for value in (None, [1, 2, 3], ["a"], [5, 5])],
    *[("looks", value) for value in (None, [], 1)],
    *[("batch", value) for value in (None, 0, 1 << 40, "16")],
    *[("fall", value) for value in ({}, [], {"step": 1, "progress": 0.5, "steps": 0})],
    *[("history", value) for value in (None, {}, [], {"method": 1})],
    *[("options", value) for value in (None, [], {"steps_2": 1})],
    ("unheard", 1),
]


@pytest.mark.parametrize(("place", "value"), STATES, ids=lambda v: "absent" if v is ABSENT else str(v)[:30])
def test_a_state_sets_only_what_a_training_saves(place: str, value: Any, state: Path) -> None:
    tensors, about = read_tensors(state)
    restore_state(state, training())  # as it is, it is read
    write_tensors(state, tensors, edited(about, place, value))
    with pytest.raises((CorruptRun, RunMismatch)) as refusal:
        restore_state(state, training())
    one_line(refusal.value)


@pytest.mark.parametrize("name", ["rng.cpu", "average.0", "optimizer.0.exp_avg", "kept.0.values", "model._anchor"])
@pytest.mark.parametrize("how", ["absent", "longer", "another type"])
def test_tensors_of_a_state_are_those_of_the_training(name: str, how: str, state: Path) -> None:
    tensors, about = read_tensors(state)
    t = tensors.pop(name)
    if how != "absent":
        tensors[name] = torch.cat([t.flatten(), t.new_zeros(3)]) if how == "longer" else t.to(torch.int16)
    write_tensors(state, tensors, about)
    with pytest.raises(CorruptRun) as refusal:
        restore_state(state, training())
    one_line(refusal.value)


def test_resuming_a_run_of_another_space_is_refused(run: Path) -> None:
    record = json.loads((run / RUN).read_text())
    (run / RUN).write_text(json.dumps(edited(record, "model.space", {"kind": "Integer", "shape": [2], "levels": 5})))
    with pytest.raises(RunMismatch, match=r"Integer\(2,\)"):
        fit_run(open_dataset("moons"), run, source="moons", resume=True)


class Elements(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


# What more of what is said is shown by.
SHOWN_BY = {"p", "small", "section", "h2", "div", "table", "thead", "tbody", "tr", "th", "td"}
HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script><a href='javascript:alert(3)'>&lt;"


def test_a_report_escapes_all_that_a_run_says(run: Path) -> None:
    record = json.loads((run / RUN).read_text())
    sound = Elements()
    sound.feed(run_report(run, "loglik report").read_text())
    places = ("data.name", "data.source", "data.fingerprint", "command", "error", "versions.torch", "scores.0.part")
    for place in places:
        value = HOSTILE[:90] if place == "data.fingerprint" else HOSTILE
        record = edited(record, place, value)
    record = edited(record, "data.columns", [HOSTILE, "$x_1$"])
    record = edited(record, "data.split", {"how": HOSTILE, HOSTILE: HOSTILE, "train": 5})
    record = edited(record, "laws", {"results": [dict.fromkeys(("law", "status", "detail"), HOSTILE)]})
    (run / RUN).write_text(json.dumps(record))
    page = Elements()
    page.feed(run_report(run, HOSTILE).read_text())
    assert HOSTILE in page.text, "what the run says is shown, as text"
    tags = {tag for tag, _ in sound.found} | SHOWN_BY
    assert {tag for tag, _ in page.found} <= tags
    scripts = sum(tag == "script" for tag, _ in page.found)
    assert scripts == sum(tag == "script" for tag, _ in sound.found)
    for _, attributes in page.found:
        assert not any(name.startswith("on") and value and "alert" in value for name, value in attributes.items())
        assert "javascript:" not in (attributes.get("href") or "")


def test_loading_and_scoring_write_nothing_into_a_run(run: Path, tmp_path: Path) -> None:
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.iterdir()}
    run.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        load(run)
        assert command(["score", str(run), "moons"]) == 0
        assert command(["sample", str(run), "-n", "3", "-o", str(tmp_path / "new.csv")]) == 0
    finally:
        run.chmod(0o755)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.iterdir()} == before


def test_nothing_is_written_through_a_link_in_a_run(run: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("keep")
    (run / "report.html").symlink_to(mine)
    command(["report", str(run)])
    assert mine.read_text() == "keep"


def test_the_command_ends_with_the_code_of_a_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content, code in ((b"[]", 22), (b'{"format": 99}', 23), (b'{"format": 1}', 26)):
        (run / RUN).write_bytes(content)
        for words in (["score", str(run), "moons"], ["sample", str(run)], ["report", str(run)], ["check", str(run)]):
            assert command(words) == code
            assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize("folder", [None, 5, b"run", ["run"], "", "a\0b"])
def test_what_is_no_path_is_refused(folder: Any) -> None:
    with pytest.raises(UsageError, match="path"):
        load(folder)
