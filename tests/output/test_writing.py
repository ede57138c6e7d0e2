"""Files: whole or as they were, with the modes that their user has chosen, and no leavings."""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from loglik.errors import WriteFailed
from loglik.output.files import check_files
from loglik.output.writing import _mark, remove_abandoned, write_all, write_atomic


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.usefixtures("umask")
def test_new_files_and_folders_have_the_mode_of_the_umask(tmp_path: Path) -> None:
    write_atomic(tmp_path / "new" / "a.txt", b"a")
    assert mode(tmp_path / "new" / "a.txt") == 0o600
    assert mode(tmp_path / "new") == 0o700


@pytest.mark.parametrize("own", [0o600, 0o640, 0o664, 0o400])
def test_a_file_that_is_replaced_keeps_its_mode(own: int, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(own)
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert mode(path) == own


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link.txt").symlink_to("there/a.txt")
    for content in (b"one", b"two"):
        write_atomic(tmp_path / "link.txt", content)
        assert (tmp_path / "link.txt").is_symlink()
        assert (tmp_path / "there" / "a.txt").read_bytes() == content


def test_several_files_come_to_be_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1").write_text("old")
    synced = 0

    def full(handle: int) -> None:
        nonlocal synced
        synced += 1
        if synced == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteFailed, match="3: the disk is full"):
        write_all({tmp_path / name: b"new" for name in "1234"})
    assert [p.name for p in tmp_path.iterdir()] == ["1"]
    assert (tmp_path / "1").read_text() == "old"


def test_what_a_killed_process_left_goes_and_what_another_writes_stays(tmp_path: Path) -> None:
    def begun(name: str, process: int, host: str) -> Path:
        path = tmp_path / f".loglik-{_mark(name)}-{_mark(host)}-{process}-0123456789ab.tmp"
        path.write_text("half")
        return path

    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    here = socket.gethostname()
    dead = begun("a.txt", child, here)
    alive, elsewhere = begun("a.txt", os.getpid(), here), begun("a.txt", child, "elsewhere")
    other = begun("b.txt", child, here)
    mine = tmp_path / ".loglik-notes.tmp"
    mine.write_text("mine")
    write_atomic(tmp_path / "a.txt", b"a")
    assert not dead.exists()
    assert all(path.exists() for path in (alive, elsewhere, other, mine))
    remove_abandoned(mine)
    assert mine.exists()


@pytest.mark.parametrize("place", ["folder", "fifo", "file/a.txt", "n" * 300])
def test_a_place_that_cannot_hold_a_file(place: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("f")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(WriteFailed, match="Could not write"):
        write_atomic(tmp_path / place, b"a")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fifo", "file", "folder"]
    assert (tmp_path / "fifo").is_fifo()


def test_files_that_a_person_names(tmp_path: Path) -> None:
    data, folder = tmp_path / "t.csv", tmp_path / "images"
    data.write_text("a")
    folder.mkdir()
    (folder / "1.csv").write_text("a")
    (tmp_path / "link.csv").symlink_to(data)
    os.link(data, tmp_path / "hard.csv")
    (tmp_path / "old.csv").write_text("a")
    check_files([tmp_path / "new.csv", tmp_path / "no/such/folder.csv"], overwrite=False, inputs=[data])
    check_files([tmp_path / "old.csv"], overwrite=True, inputs=[data, folder])
    for name in ("t.csv", "link.csv", "hard.csv", "images/1.csv"):
        for overwrite in (True, False):
            with pytest.raises(WriteFailed, match="what is read here"):
                check_files([tmp_path / name], overwrite=overwrite, inputs=[data, folder])
    with pytest.raises(WriteFailed, match="--overwrite"):
        check_files([tmp_path / "new.csv", tmp_path / "old.csv"], overwrite=False, inputs=[data])
    for name in ("images", "t.csv/x.csv"):
        with pytest.raises(WriteFailed):
            check_files([tmp_path / name], overwrite=True)
