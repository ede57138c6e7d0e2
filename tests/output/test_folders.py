"""Folders of results: whole or absent, and nothing lost that loglik did not write."""

import errno
import json
import os
import shutil
import warnings
from pathlib import Path

import pytest

import loglik
from loglik.errors import FitWarning, LoglikError, RunInUse, RunMismatch, WriteFailed
from loglik.output.folder import new_folder
from loglik.output.lock import LOCK, Lock, locked
from loglik.output.manifest import MANIFEST, Manifest, check_unchanged, make_own_folder, remove_own_file, write_own
from loglik.output.place import INSIDE, beside, check_place, free_place


def filled(folder: Path, content: bytes = b"{}", *, overwrite: bool = False, inputs: tuple[Path, ...] = ()) -> Path:
    """A result of two files and a folder with one."""
    with new_folder(folder, overwrite=overwrite, inputs=inputs) as output:
        write_own(output.draft / "run.json", content)
        write_own(output.draft / "w.safetensors", content)
        make_own_folder(output.draft / "part")
        write_own(output.draft / "part" / "report.html", content)
        return output.finish()


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


FILES = sorted([MANIFEST, "run.json", "w.safetensors", f"part/{MANIFEST}", "part/report.html"])


def test_a_new_folder_replaces_what_loglik_wrote(tmp_path: Path) -> None:
    place = tmp_path / "a" / "r"
    assert filled(place, b"1") == place
    assert sorted(everything(place)) == FILES
    with pytest.raises(RunMismatch, match="--overwrite"):
        filled(place, b"2")
    place.chmod(0o750)
    filled(place, b"2", overwrite=True)
    assert everything(place)["run.json"] == b"2"
    assert place.stat().st_mode & 0o777 == 0o750
    assert [p.name for p in place.parent.iterdir()] == ["r"]


STRANGE = {
    "a file": lambda r: (r / "thesis.tex").write_text("x"),
    "a hidden file": lambda r: (r / ".git").write_text("x"),
    "a folder": lambda r: (r / ".git" / "objects").mkdir(parents=True),
    "an empty folder": lambda r: (r / "empty").mkdir(),
    "a file in a subfolder": lambda r: (r / "part" / "data.csv").write_text("x"),
    "a link": lambda r: (r / "link").symlink_to(r / "run.json"),
    "a file that was changed": lambda r: (r / "part" / "report.html").write_text("my notes"),
    "one of ours that became a link": lambda r: ((r / "run.json").rename(r / "w"), (r / "run.json").symlink_to("w")),
    "a pipe": lambda r: os.mkfifo(r / "pipe"),
    "a name like our temporary ones": lambda r: (r / ".loglik-thesis.tmp").write_text("x"),
    "a lock with something in it": lambda r: (r / LOCK).write_text("x"),
    "a manifest of somebody else": lambda r: (r / MANIFEST).write_text('{"name": "app"}'),
    "no manifest": lambda r: (r / MANIFEST).unlink(),
    "a manifest that reaches out": lambda r: (r / MANIFEST).write_text('{"wrote": {"../t.csv": []}, "folders": []}'),
}  # fmt: skip


@pytest.mark.parametrize("what", STRANGE)
def test_a_folder_that_holds_anything_else_is_not_overwritten(what: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("data")
    filled(tmp_path / "r")
    STRANGE[what](tmp_path / "r")
    before = sorted(map(str, tmp_path.rglob("*")))
    with pytest.raises(RunMismatch, match=r"not overwritten") as refused:
        filled(tmp_path / "r", b"2", overwrite=True)
    assert str(refused.value).count("\n") == 0
    assert sorted(map(str, tmp_path.rglob("*"))) == before
    assert (tmp_path / "t.csv").read_text() == "data"


def test_the_strange_files_are_named(tmp_path: Path) -> None:
    filled(tmp_path / "r")
    for name in "vwxyz":
        (tmp_path / "r" / name).write_text("")
    with pytest.raises(RunMismatch, match="v, w, x and 2 more"):
        check_place(tmp_path / "r", overwrite=True)


def test_another_tools_run_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "run.json").write_text('{"format": 2}')
    with pytest.raises(RunMismatch, match="is not a run of loglik"):
        filled(tmp_path / "r", overwrite=True)


def test_homes_and_places_that_people_are_in_are_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path / "r")
    before = everything(tmp_path)
    monkeypatch.chdir(tmp_path / "r" / "part")
    with pytest.raises(RunMismatch, match="holds the folder you are in"):
        filled(tmp_path / "r", overwrite=True)
    with pytest.raises(RunMismatch, match="the folder you are in"):
        filled(Path("."), overwrite=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "r"))
    with pytest.raises(RunMismatch, match="is your home"):
        filled(tmp_path / "r", overwrite=True)
    with pytest.raises(RunMismatch):
        filled(Path("/"), overwrite=True)
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setattr(os.path, "ismount", lambda path: True)
    with pytest.raises(RunMismatch, match="is a mount point"):
        filled(tmp_path / "r", overwrite=True)
    assert everything(tmp_path) == before


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    filled(tmp_path / "r")
    with pytest.raises(RunMismatch, match="is read"):
        filled(tmp_path / "r", overwrite=True, inputs=(tmp_path / "r" / "run.json",))
    filled(tmp_path / "r", overwrite=True, inputs=(tmp_path / "none.csv",))


def test_an_empty_folder_stays_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir(mode=0o750)
    (tmp_path / "link").symlink_to("there")
    itself = (tmp_path / "there").stat().st_ino
    assert filled(tmp_path / "link") == tmp_path / "link"
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").stat().st_ino == itself
    assert sorted(everything(tmp_path / "there")) == FILES
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    filled(Path("."))
    assert sorted(everything(tmp_path / "here")) == FILES


def test_a_link_to_nowhere_makes_its_target(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("far/there")
    filled(tmp_path / "link")
    assert sorted(everything(tmp_path / "far" / "there")) == FILES
    filled(tmp_path / "link", b"2", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "link" / "run.json").read_bytes() == b"2"


@pytest.mark.parametrize("place", ["file", "file/r", "n" * 300, "a/" + "n" * 300])
def test_places_that_cannot_be(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises((WriteFailed, RunMismatch)):
        filled(tmp_path / place, overwrite=True)
    assert everything(tmp_path) == {"file": b"mine"}
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_comes_into_being_meanwhile_stays(tmp_path: Path) -> None:
    with new_folder(tmp_path / "c") as output:
        write_own(output.draft / "run.json", b"new")
        (tmp_path / "c").mkdir()
        (tmp_path / "c" / "mine").write_text("mine")
        with pytest.warns(FitWarning, match="has come into being"):
            assert output.finish() == tmp_path / "c-2"
    assert everything(tmp_path / "c") == {"mine": b"mine"}
    assert everything(tmp_path / "c-2")["run.json"] == b"new"


def test_what_is_put_into_the_old_one_meanwhile_stays(tmp_path: Path) -> None:
    filled(tmp_path / "c", b"old")
    with new_folder(tmp_path / "c", overwrite=True) as output:
        write_own(output.draft / "run.json", b"new")
        (tmp_path / "c" / "mine").write_text("mine")
        with pytest.warns(FitWarning, match="c-2"):
            output.finish()
    assert everything(tmp_path / "c")["mine"] == b"mine"
    assert everything(tmp_path / "c")["run.json"] == b"old"
    assert everything(tmp_path / "c-2")["run.json"] == b"new"


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "an old one"])
def test_a_failure_leaves_what_was_there(there: str, tmp_path: Path) -> None:
    if there == "an empty folder":
        (tmp_path / "x" / "r").mkdir(parents=True)
    elif there == "an old one":
        filled(tmp_path / "x" / "r", b"old")
    before = everything(tmp_path), sorted(map(str, tmp_path.rglob("*")))

    def failing() -> None:
        with new_folder(tmp_path / "x" / "r", overwrite=True) as output:
            write_own(output.draft / "run.json", b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert (everything(tmp_path), sorted(map(str, tmp_path.rglob("*")))) == before


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with new_folder(tmp_path / "r"), pytest.raises(RunInUse, match=r"at work on .*/r\."):
        filled(tmp_path / "r")
    (tmp_path / "r").mkdir()
    with new_folder(tmp_path / "r"), pytest.raises(RunInUse):
        filled(tmp_path / "r")
    filled(tmp_path / "r")
    with locked(tmp_path / "r"):
        with pytest.raises(RunInUse):
            filled(tmp_path / "r", overwrite=True)
        with pytest.raises(RunInUse), locked(tmp_path / "r"):
            pass
    with new_folder(tmp_path / "r", overwrite=True) as output:
        write_own(output.draft / "run.json", b"2")
        output.finish()
        with pytest.raises(RunInUse), locked(tmp_path / "r"):  # the lock has moved with it
            pass
    with locked(tmp_path / "r"):
        pass
    assert sorted(p.name for p in tmp_path.rglob(".loglik*")) == [MANIFEST]


def test_a_free_place_is_neither_there_nor_in_the_making(tmp_path: Path) -> None:
    with new_folder(free_place(tmp_path / "c")) as output:
        assert free_place(tmp_path / "c") == tmp_path / "c-2"
        write_own(output.draft / "run.json", b"1")
        output.finish()
        assert free_place(tmp_path / "c") == tmp_path / "c-2"
    beside(tmp_path / "c-2", "new").mkdir()  # left by a crash
    assert free_place(tmp_path / "c") == tmp_path / "c-2"
    filled(tmp_path / "c-2")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c", "c-2"]


def test_where_there_are_no_locks_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loglik.output.lock.LOCKS", False)
    with pytest.warns(FitWarning, match="no locks at"):
        filled(tmp_path / "r")
    assert sorted(everything(tmp_path / "r")) == FILES


def test_a_crash_between_two_renames_is_put_right(tmp_path: Path) -> None:
    filled(tmp_path / "r", b"old")
    (tmp_path / "r").rename(beside(tmp_path / "r", "old"))
    with pytest.raises(RunMismatch, match="--overwrite"):
        filled(tmp_path / "r", b"new")
    assert everything(tmp_path / "r")["run.json"] == b"old"
    filled(beside(tmp_path / "r", "old"), b"older")
    filled(tmp_path / "r", b"new", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


@pytest.mark.parametrize("moved", [0, 1, 2, 3])
def test_a_crash_while_a_folder_is_filled_from_inside(moved: int, tmp_path: Path) -> None:
    place = tmp_path / "r"
    filled(place / INSIDE)
    shutil.copy(place / INSIDE / MANIFEST, place)
    for name in ["part", "w.safetensors", "run.json"][:moved]:
        (place / INSIDE / name).rename(place / name)
    filled(place, b"new", overwrite=moved == 3)  # then nothing was missing
    assert sorted(everything(place)) == FILES
    assert everything(place)["run.json"] == b"new"
    assert not (place / INSIDE).exists()


def test_a_folder_filled_from_inside_that_finds_no_room_is_empty_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r").mkdir()
    honest = os.rename

    def failing(a: Path, b: Path) -> None:
        if b == tmp_path / "r" / "run.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        honest(a, b)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(WriteFailed, match="disk is full"):
        filled(tmp_path / "r")
    assert list((tmp_path / "r").iterdir()) == []


def test_a_finished_folder_is_not_taken_for_an_unfinished_one(tmp_path: Path) -> None:
    filled(tmp_path / "r")
    (tmp_path / "r" / INSIDE).mkdir()
    (tmp_path / "r" / INSIDE / "more").write_text("")
    before = everything(tmp_path)
    with pytest.raises(RunMismatch, match="is there already"):
        filled(tmp_path / "r")
    assert everything(tmp_path) == before


def test_what_is_in_the_way_of_the_old_one_is_named_before_the_work(tmp_path: Path) -> None:
    filled(tmp_path / "r", b"old")
    beside(tmp_path / "r", "old").mkdir()
    (beside(tmp_path / "r", "old") / "mine").write_text("mine")
    with pytest.raises(WriteFailed, match="in the way"):
        filled(tmp_path / "r", b"new", overwrite=True)
    assert (tmp_path / "r" / "run.json").read_bytes() == b"old"
    assert (beside(tmp_path / "r", "old") / "mine").exists()


def test_a_draft_that_holds_something_of_a_persons_is_left(tmp_path: Path) -> None:
    draft = beside(tmp_path / "r", "new")
    draft.mkdir()
    (draft / "mine").write_text("mine")
    with pytest.raises(WriteFailed, match="not of loglik"):
        filled(tmp_path / "r")
    assert everything(tmp_path) == {f"{draft.name}/mine": b"mine"}


def test_a_model_is_saved_beside_other_things_and_over_none(tmp_path: Path) -> None:
    model = loglik.build("uniform", loglik.Integer((2,), 3))
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "run.json").write_text("mine")
    with pytest.raises(WriteFailed, match="is there already"):
        loglik.save(model, tmp_path / "app")
    assert everything(tmp_path) == {"app/run.json": b"mine"}
    (tmp_path / "app" / "run.json").rename(tmp_path / "app" / "mine.json")
    for _ in range(2):
        loglik.save(model, tmp_path / "app")
    loglik.load(tmp_path / "app")
    loglik.save(model, tmp_path / "new" / "r")
    assert (tmp_path / "app" / "mine.json").read_text() == "mine"


def test_single_files_of_a_folder(tmp_path: Path) -> None:
    write_own(tmp_path / "run.json", b"1")
    write_own(tmp_path / "run.json", b"2")
    (tmp_path / "history.csv").write_text("mine")
    (tmp_path / "bashrc").write_text("mine")
    (tmp_path / "report.html").symlink_to("bashrc")
    for name in ("history.csv", "report.html"):
        with pytest.raises(WriteFailed, match="did not write it"):
            write_own(tmp_path / name, b"3")
        remove_own_file(tmp_path / name)
    assert (tmp_path / "history.csv").read_text() == "mine"
    assert (tmp_path / "bashrc").read_text() == "mine"
    check_unchanged(tmp_path / "run.json")
    (tmp_path / "run.json").write_text("edited")
    with pytest.raises(WriteFailed, match="did not write"):
        check_unchanged(tmp_path / "run.json")
    write_own(tmp_path / "run.json", b"4")
    check_unchanged(tmp_path / "run.json")


def test_a_write_that_fails_leaves_the_file_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_own(tmp_path / "report.html", b"1")
    honest = os.replace

    def failing(a: str, b: Path) -> None:
        if Path(b).name == "report.html":
            raise OSError(errno.ENOSPC, "No space left on device")
        honest(a, b)

    monkeypatch.setattr(os, "replace", failing)
    for content in (b"2", b"3", b"4", b"5"):
        with pytest.raises(WriteFailed, match="disk is full"):
            write_own(tmp_path / "report.html", content)
        check_unchanged(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == b"1"


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"wrote": {}, "folders": [1]}', '{"wrote": {"a/b": []}, "folders": []}', "[" * 100_000]
)
def test_what_is_no_manifest(content: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(content)
    assert Manifest.of(tmp_path) is None
    with pytest.raises(WriteFailed, match="is not a list"):
        write_own(tmp_path / "a.json", b"a")
    assert (tmp_path / MANIFEST).read_text() == content


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / LOCK).symlink_to("mine")
    with pytest.raises(LoglikError), locked(tmp_path):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_lock_lets_go_of_a_folder_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    lock = Lock(tmp_path / "r")
    (tmp_path / "r" / LOCK).unlink()
    (tmp_path / "r").rmdir()
    lock.release()
    lock.release()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filled(tmp_path / "r")
    assert json.loads((tmp_path / "r" / MANIFEST).read_text())["folders"] == ["part"]
