"""Where a folder of results may go: which places are free, taken, given up, or never to be touched."""

import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from loglik.errors import RunInUse, RunMismatch, UsageError
from loglik.output.lock import LOCK, Lock
from loglik.output.manifest import MANIFEST, Manifest, strangers
from loglik.output.writing import failures

INSIDE = ".loglik-unfinished"  # in a folder that was there and empty, what is to come out of it
LISTED = 3  # so many files of the user's are named


def check_place(wanted: Path, overwrite: bool = False, inputs: Iterable[Path] = (), *, resumes: bool = False) -> None:
    """Whether a result may go there; nothing is touched. `resumes` says that a run there could be continued instead.

    Raises:
        RunMismatch: something is there, and is not given up, or not loglik's. WriteFailed: it cannot be looked at.
    """
    with failures(wanted):
        place = Path(os.path.realpath(wanted))
        if not is_there(place):
            return
        if not place.is_dir():
            raise RunMismatch(f"Expected a folder, or a place for a new one; {wanted} is a file. Choose another -o.")
        if set(others(place)) <= {INSIDE} or is_unfinished(place):
            return
        if not overwrite:
            is_run = (place / "run.json").exists()
            if Manifest.of(place) is None and not is_run:
                raise RunMismatch(
                    f"{wanted} is there already, and holds files that loglik did not write. Choose another -o."
                )
            raise RunMismatch(
                f"{wanted} is there already. "
                + ("Continue it with --resume, replace" if resumes and is_run else "Replace")
                + " it with --overwrite, or choose another -o."
            )
        _check_not_a_home(place, wanted)
        for source in inputs:
            if os.path.exists(source) and _is_in(Path(os.path.realpath(source)), place):
                raise RunMismatch(
                    f"{source} is read, and lies in {wanted}, which would be replaced. Choose another -o."
                )
        _check_all_ours(place, wanted)


def _check_all_ours(place: Path, wanted: Path) -> None:
    """Raises RunMismatch unless loglik wrote all that a folder holds."""
    if Manifest.of(place) is None:
        raise RunMismatch(
            f"{wanted} is not a run of loglik, or has lost the list of files that loglik wrote, so it is not "
            "overwritten. Choose another place with -o."
        )
    named = [name for name in strangers(place) if name != INSIDE]
    if named:
        more = f" and {len(named) - LISTED} more" if len(named) > LISTED else ""
        raise RunMismatch(
            f"{wanted} is not overwritten, as it holds what loglik did not write, or what was changed since: "
            f"{', '.join(named[:LISTED])}{more}. Move that away, or choose another place with -o."
        )


def free_place(wanted: Path) -> Path:
    """`wanted`, or the first of wanted-2, wanted-3, ... that is not there yet, and not in the making."""
    for number in range(1, 10_000):
        place = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        if not is_there(place) and not _is_held(beside(place, "new")):
            return place
    raise UsageError(f"Expected a free place beside {wanted}; there are thousands of them. Choose one with -o.")


def _is_held(draft: Path) -> bool:
    """Whether a process is filling it."""
    try:
        Lock(draft).release()
    except RunInUse:
        return True
    except OSError:  # not there
        return False
    return False


def _check_not_a_home(place: Path, wanted: Path) -> None:
    """Folders that are never replaced, whatever is in them."""
    here, home = Path.cwd(), Path(os.path.realpath(os.path.expanduser("~")))
    if _is_in(here, place):
        what = "is the folder you are in" if here == place else "holds the folder you are in"
    elif _is_in(home, place):
        what = "is your home" if home == place else "holds your home"
    elif os.path.ismount(place):
        what = "is a mount point"
    else:
        return
    raise RunMismatch(f"{wanted} {what}, so it is not overwritten. Choose another place with -o.")


def is_unfinished(place: Path) -> bool:
    """Whether a process that was to fill a folder from inside was killed, or is at it: its record is not out yet."""
    draft = place / INSIDE
    if not draft.is_dir() or draft.is_symlink() or not set(others(draft)) > {MANIFEST}:
        return False
    return not any(name.endswith(".json") and name != MANIFEST for name in os.listdir(place))


def is_there(path: Path) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def others(folder: Path) -> list[str]:
    """What is in a folder beside its lock."""
    return [name for name in os.listdir(folder) if name != LOCK]


def beside(place: Path, what: str) -> Path:
    """Where the folder of that place is kept while it is new, or old; the same for every process."""
    mark = blake2b(os.fsencode(place.name), digest_size=6).hexdigest()
    return place.with_name(f".loglik-{place.name[:40]}-{mark}-{what}")


def _is_in(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents
