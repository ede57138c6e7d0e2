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
from pathlib import Path

from loglik.errors import FitWarning, WriteFailed
from loglik.output.lock import Lock
from loglik.output.manifest import MANIFEST, Manifest, empty_own, remove_own, strangers
from loglik.output.place import INSIDE, beside, check_place, free_place, is_there, is_unfinished, others
from loglik.output.writing import failures


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
        # In a/../r there need be no a.
        return self.wanted if os.path.exists(self.wanted) else self.place

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
        there = is_there(self.place)
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
        old = beside(self.place, "old")
        mode = self.place.stat().st_mode & 0o7777
        if self.draft.stat().st_mode & 0o7777 != mode:
            self.draft.chmod(mode)
        try:
            os.rename(self.place, old)
            os.rename(self.draft, self.place)
        except BaseException:
            if not is_there(self.place):
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
                if self.draft.parent == self.place:  # it was empty: what is ours has come out of the draft
                    empty_own(self.place)
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
            if not others(place):
                draft = place / INSIDE
                draft.mkdir()
                return Output(wanted, place, draft, locks, replaces=False)
        draft = beside(place, "new")
        locks.append(_made_and_held(draft, wanted))
        _settle(place, draft)
        if place.is_dir() and len(locks) == 1:
            locks.append(Lock(place, wanted))
        check_place(wanted, overwrite, inputs)  # again, now that no other loglik can change it
        return Output(wanted, place, draft, locks, replaces=is_there(place))
    except BaseException:
        for lock in locks:
            if lock.folder != place:
                with contextlib.suppress(OSError):
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


def _settle(place: Path, draft: Path) -> None:
    """Put right what a killed process left beside `place`, once its lock is ours.

    Raises:
        WriteFailed: there is something that loglik did not write.
    """
    old = beside(place, "old")
    if is_there(old) and not is_there(place):
        os.rename(old, place)
    elif old.is_dir() and not old.is_symlink():
        remove_own(old)
    empty_own(draft)
    for path in (*([old] if is_there(old) else []), *(draft / name for name in others(draft))):
        raise WriteFailed(f"{path} is in the way, and not of loglik. Move it, or choose another -o.")


def _remove_unfinished(place: Path) -> None:
    """What a killed process left in a folder that it was filling from inside."""
    unfinished = is_unfinished(place)
    if (place / INSIDE).is_dir():
        remove_own(place / INSIDE)
    if unfinished:
        empty_own(place)


def _make_parents(place: Path) -> list[Path]:
    """Make the folders above, and give those that were not there, the lowest first."""
    missing = []
    folder = place.parent
    while not is_there(folder):
        missing.append(folder)
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder")
    place.parent.mkdir(parents=True, exist_ok=True)
    return missing
