"""A result of several files, as a folder: it is written elsewhere and takes its place as a whole, or not at all.

The folder is filled beside its place, `.loglik-NAME-...`, and renamed; where it replaces one of ours, that one is
first renamed out of the way, and back if anything fails. A folder that is there already and empty stays itself (someone
may be in it, or it is a mount point): it is filled inside, and the files that say what it is come out last.
"""

import contextlib
import errno
import os
import warnings
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

from loglik.errors import FitWarning, RunMismatch, UsageError, WriteFailed
from loglik.output.lock import LOCK, Lock
from loglik.output.manifest import MANIFEST, Manifest, empty_own, remove_own, strangers
from loglik.output.writing import failures

INSIDE = ".loglik-unfinished"
LISTED = 3  # so many files of the user's are named


class Output:
    """A folder in the making: fill `draft`, then `finish`; before that nothing has changed at its place."""

    def __init__(self, wanted: Path, place: Path, draft: Path, locks: list[Lock], *, replaces: bool) -> None:
        self.wanted, self.place, self.draft = wanted, place, draft
        self._locks, self._replaces = locks, replaces
        self._finished = False

    def finish(self) -> Path:
        """Put the draft in its place, and give the place. The folder stays locked until the block ends.

        What has come into being there meanwhile is left alone: then the draft goes to the next free name, with a
        warning.
        """
        with failures(self.place):
            if self.draft.parent == self.place:
                self._come_out()
            else:
                self._move()
        self._finished = True
        return self.wanted

    def _come_out(self) -> None:
        """From inside to the place. Both have the manifest meanwhile, so that all is known; records come last."""
        names = os.listdir(self.draft)
        if taken := set(names) & set(os.listdir(self.place)):
            raise WriteFailed(f"{self.wanted / min(taken)} has come into being meanwhile, and is left as it is.")
        (Manifest.of(self.draft) or Manifest()).write(self.place)
        for name in sorted(names, key=lambda name: (name.endswith(".json"), name)):
            if name != MANIFEST:
                os.rename(self.draft / name, self.place / name)
        remove_own(self.draft)

    def _move(self) -> None:
        there = _is_there(self.place)
        if there and self._replaces and self.place.is_dir() and not list(strangers(self.place)):
            self._swap()
            return
        if there:
            taken, self.place = self.wanted, free_place(self.place)
            self.wanted = self.place
            warnings.warn(
                f"{taken} has come into being or was changed meanwhile, and is left as it is; see {self.wanted}.",
                FitWarning,
                stacklevel=4,
            )
        os.rename(self.draft, self.place)
        self._moved(self.draft, self.place)

    def _swap(self) -> None:
        old = _beside(self.place, "old")
        self.draft.chmod(self.place.stat().st_mode & 0o7777)
        try:
            os.rename(self.place, old)
            os.rename(self.draft, self.place)
        except BaseException:
            if not _is_there(self.place):
                os.rename(old, self.place)
            raise
        self._moved(self.place, old)
        self._moved(self.draft, self.place)
        with contextlib.suppress(OSError):  # what is left goes the next time
            remove_own(old)

    def _moved(self, before: Path, after: Path) -> None:
        for lock in self._locks:
            if lock.folder == before:
                lock.folder = after

    def close(self) -> None:
        if not self._finished:
            with contextlib.suppress(OSError):
                remove_own(self.draft)
        for lock in self._locks:
            lock.release()


@contextlib.contextmanager
def new_folder(wanted: Path, *, overwrite: bool = False, inputs: Iterable[Path] = ()) -> Iterator[Output]:
    """A folder to fill, held against other processes of loglik from now until the block ends.

    Args:
        wanted: its place; symbolic links are followed.
        overwrite: what loglik wrote there is replaced.
        inputs: what is read, and must not be replaced.

    Raises:
        RunMismatch: the place is taken, see `check_place`. RunInUse: another process writes there. WriteFailed.
    """
    with failures(wanted):
        place = Path(os.path.realpath(wanted))
        made = _make_parents(place)
    output = None
    try:
        with failures(wanted):
            output = _begun(place, wanted, overwrite, inputs)
        yield output
    except WriteFailed as error:  # of the place that was asked for, not of where it is filled
        told = str(error) if output is None else str(error).replace(str(output.draft), str(wanted))
        raise WriteFailed(told) from None
    finally:
        if output is not None:
            output.close()
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _begun(place: Path, wanted: Path, overwrite: bool, inputs: Iterable[Path]) -> Output:
    check_place(wanted, overwrite, inputs)
    locks: list[Lock] = []
    try:
        if place.is_dir():
            locks.append(Lock(place, wanted))
            _remove_unfinished(place)
            if not _others(place):
                draft = place / INSIDE
                draft.mkdir()
                return Output(wanted, place, draft, locks, replaces=False)
        draft = _beside(place, "new")
        locks.append(_made_and_held(draft, wanted))
        _settle(place, draft)
        if place.is_dir() and len(locks) == 1:
            locks.append(Lock(place, wanted))
        check_place(wanted, overwrite, inputs)  # again, now that no other loglik can change it
        return Output(wanted, place, draft, locks, replaces=_is_there(place))
    except BaseException:
        for lock in locks:
            if lock.folder != place:
                remove_own(lock.folder)
            lock.release()
        raise


def _made_and_held(draft: Path, wanted: Path) -> Lock:
    while True:
        draft.mkdir(exist_ok=True)
        if draft.is_symlink():
            raise WriteFailed(f"{draft} is in the way, and loglik did not make it. Move it, or choose another -o.")
        try:
            return Lock(draft, wanted)
        except FileNotFoundError:  # another process has just put it in its place
            continue


def check_place(wanted: Path, overwrite: bool = False, inputs: Iterable[Path] = ()) -> None:
    """Whether a result may go there; nothing is touched.

    Raises:
        RunMismatch: something is there, and is not given up, or not loglik's. WriteFailed: it cannot be looked at.
    """
    with failures(wanted):
        place = Path(os.path.realpath(wanted))
        if not _is_there(place):
            return
        if not place.is_dir():
            raise RunMismatch(f"Expected a folder, or a place for a new one; {wanted} is a file. Choose another -o.")
        if set(_others(place)) <= {INSIDE} or _is_unfinished(place):
            return
        if not overwrite:
            raise RunMismatch(
                f"{wanted} is there already. Continue it with --resume, replace it with --overwrite, or choose "
                "another -o."
            )
        _check_not_a_home(place, wanted)
        for source in inputs:
            if os.path.exists(source) and _is_in(Path(os.path.realpath(source)), place):
                raise RunMismatch(
                    f"{source} is read, and lies in {wanted}, which would be replaced. Choose another -o."
                )
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
    """`wanted`, or the first of wanted-2, wanted-3, ... that is not there yet."""
    for number in range(1, 10_000):
        place = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        if not _is_there(place):
            return place
    raise UsageError(f"Expected a free place beside {wanted}; there are thousands of them. Choose one with -o.")


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


def _settle(place: Path, draft: Path) -> None:
    """Put right what a killed process left beside `place`, once its lock is ours.

    Raises:
        WriteFailed: there is something in the draft that loglik did not write.
    """
    old = _beside(place, "old")
    if old.is_dir() and not _is_there(place):
        os.rename(old, place)
    elif old.is_dir():
        remove_own(old)
    empty_own(draft)
    if named := _others(draft):
        raise WriteFailed(f"{draft / named[0]} is in the way, and not of loglik. Move it, or choose another -o.")


def _is_unfinished(place: Path) -> bool:
    """Whether a process that was to fill a folder from inside was killed, or is at it."""
    draft = place / INSIDE
    return draft.is_dir() and not draft.is_symlink() and set(_others(draft)) > {MANIFEST}


def _remove_unfinished(place: Path) -> None:
    """What a killed process left in a folder that it was filling from inside."""
    unfinished = _is_unfinished(place)
    if (place / INSIDE).is_dir():
        remove_own(place / INSIDE)
    if unfinished:
        empty_own(place)


def _is_there(path: Path) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _others(folder: Path) -> list[str]:
    """What is in a folder beside its lock."""
    return [name for name in os.listdir(folder) if name != LOCK]


def _make_parents(place: Path) -> list[Path]:
    """Make the folders above, and give those that were not there, the lowest first."""
    missing = []
    folder = place.parent
    while not _is_there(folder):
        missing.append(folder)
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder")
    place.parent.mkdir(parents=True, exist_ok=True)
    return missing


def _beside(place: Path, what: str) -> Path:
    """Where the folder of that place is kept while it is new, or old; the same for every process."""
    mark = blake2b(os.fsencode(place.name), digest_size=6).hexdigest()
    return place.with_name(f".loglik-{place.name[:40]}-{mark}-{what}")


def _is_in(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents
