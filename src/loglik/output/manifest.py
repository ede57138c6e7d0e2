"""Which files of a folder loglik wrote: only those does it ever replace or remove.

`.loglik.json` in the folder lists them, each with digests of what loglik wrote into it (none for files of tensors,
which may be large and hold their own), and the subfolders that it made. A file is listed before it is written, and a
subfolder before it is made, so there is no moment at which something of ours is not known to be.
"""

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from loglik.errors import WriteFailed
from loglik.output.lock import LOCK
from loglik.output.writing import TEMPORARY, failures, remove_abandoned, write_atomic

MANIFEST = ".loglik.json"
LARGEST = 2**22  # bytes of a manifest
TENSORS = ".safetensors"


@dataclass
class Manifest:
    """The files of one folder by name, with digests, and its subfolders."""

    files: dict[str, list[str]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> "Manifest | None":
        """The manifest in a folder; None where there is none that loglik wrote."""
        path = folder / MANIFEST
        try:
            there = os.lstat(path)
            if not stat.S_ISREG(there.st_mode) or there.st_size > LARGEST:
                return None
            return cls._read(json.loads(path.read_bytes()))
        except (OSError, ValueError, RecursionError):
            return None

    @classmethod
    def _read(cls, told: object) -> "Manifest | None":
        if not isinstance(told, dict) or set(told) != {"wrote", "folders"}:
            return None
        files, folders = told["wrote"], told["folders"]
        if not isinstance(files, dict) or not isinstance(folders, list):
            return None
        digests_are = all(isinstance(d, list) and all(isinstance(one, str) for one in d) for d in files.values())
        if not digests_are or not all(_plain(name) for name in (*files, *folders)):
            return None
        return cls(files, folders)

    def write(self, folder: Path) -> None:
        told = {"wrote": self.files, "folders": self.folders}
        write_atomic(folder / MANIFEST, (json.dumps(told, indent=1) + "\n").encode())


def write_own(path: Path, data: bytes) -> None:
    """Write a file of ours, and list it in its folder.

    Raises:
        WriteFailed: what is there is not ours; or see `write_atomic`.
    """
    check_own(path)
    with failures(path):
        listed = _listed(path.parent)
        digests = [] if path.suffix == TENSORS else [_digest(data)]
        if digests and os.path.lexists(path):
            # The old contents stay listed as ours, in case the new file cannot be written.
            kept = {_digest(path.read_bytes())} & set(listed.files[path.name]) - set(digests)
            digests = [*kept, *digests]
    if listed.files.get(path.name) != digests:
        listed.files[path.name] = digests
        listed.write(path.parent)
    write_atomic(path, data)


def check_own(*paths: Path) -> None:
    """Whether files may be written as ours: they are not there, or are ours already.

    Raises:
        WriteFailed: with the first that is not.
    """
    for path in paths:
        with failures(path):
            listed = _listed(path.parent)
            if os.path.lexists(path) and not (path.name in listed.files and _is_file(path)):
                raise WriteFailed(
                    f"{path} is there already, and loglik did not write it. Move it, or choose another folder."
                )


def make_own_folder(folder: Path) -> None:
    """Make a subfolder of ours, and list it in the folder that it is in.

    Raises:
        WriteFailed.
    """
    listed = _listed(folder.parent)
    if folder.name not in listed.folders:
        listed.folders.append(folder.name)
        listed.write(folder.parent)
    with failures(folder):
        folder.mkdir()


def adopt(folder: Path, *names: str) -> None:
    """List files that are known to be ours, of a folder whose manifest is missing; one made by an older loglik, say."""
    if Manifest.of(folder) is None:
        found = [name for name in names if _is_file(folder / name)]
        digests = {n: [] if n.endswith(TENSORS) else [_digest((folder / n).read_bytes())] for n in found}
        Manifest(digests).write(folder)


def check_unchanged(path: Path) -> None:
    """Whether a file of ours, if it is there, holds what loglik wrote into it.

    Raises:
        WriteFailed: somebody has changed it since.
    """
    with failures(path):
        if os.path.lexists(path) and not _holds_ours(path, _listed(path.parent).files.get(path.name)):
            raise WriteFailed(
                f"{path} holds what loglik did not write, and would be replaced. Move or rename it first."
            )


def strangers(folder: Path) -> Iterator[str]:
    """Whatever of a folder, and of our subfolders, loglik did not write or somebody has changed since."""
    listed = Manifest.of(folder) or Manifest()
    for name in sorted(os.listdir(folder)):
        path = folder / name
        if name in listed.folders and path.is_dir() and not path.is_symlink():
            yield from (f"{name}/{inner}" for inner in strangers(path))
        elif not _holds_ours(path, listed.files.get(name)) and not _is_tool(name, path):
            yield name


def remove_own(folder: Path) -> None:
    """Remove a folder of ours with what loglik wrote in it; whatever else is in it stays, and then the folder too."""
    empty_own(folder)
    with contextlib.suppress(OSError):
        if os.listdir(folder) == [LOCK] and _is_tool(LOCK, folder / LOCK):
            (folder / LOCK).unlink()
        folder.rmdir()


def empty_own(folder: Path) -> None:
    """Remove what loglik wrote in a folder, and nothing else."""
    listed = Manifest.of(folder) or Manifest()
    for name in listed.folders:
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            remove_own(folder / name)
    for name in os.listdir(folder):
        if TEMPORARY.fullmatch(name):
            remove_abandoned(folder / name)
        elif _holds_ours(folder / name, listed.files.get(name)):
            (folder / name).unlink()
    if Manifest.of(folder) is not None:  # last, so that a killed process can finish the removal later
        (folder / MANIFEST).unlink()


def remove_own_file(path: Path) -> None:
    """Remove a file of ours, if it is there."""
    if _holds_ours(path, _listed(path.parent).files.get(path.name)):
        with failures(path):
            path.unlink(missing_ok=True)


def _listed(folder: Path) -> Manifest:
    """The manifest of a folder, or an empty one.

    Raises:
        WriteFailed: a file of somebody else's has its name.
    """
    found = Manifest.of(folder)
    if found is None and os.path.lexists(folder / MANIFEST):
        raise WriteFailed(
            f"{folder / MANIFEST} is not a list of files that loglik wrote. Move it, or choose another folder."
        )
    return found or Manifest()


def _is_tool(name: str, path: Path) -> bool:
    """Whether it is what we keep folders with: the manifest, a lock, what a killed process left half written."""
    if name == MANIFEST:
        return Manifest.of(path.parent) is not None
    return _is_file(path) and (bool(TEMPORARY.fullmatch(name)) or (name == LOCK and path.stat().st_size == 0))


def _holds_ours(path: Path, digests: list[str] | None) -> bool:
    if digests is None or not _is_file(path):
        return False
    return path.suffix == TENSORS if not digests else _digest(path.read_bytes()) in digests


def _is_file(path: Path) -> bool:
    """A file itself, not a link to one."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def _plain(name: object) -> bool:
    """Whether it names something in the folder itself."""
    return isinstance(name, str) and name not in ("", ".", "..") and not set(name) & {"/", "\\", "\0"}
