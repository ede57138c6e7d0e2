"""Images or recordings by a path: a file, or a folder with those in it, whose subfolders may stand for classes."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from loglik.data.formats.images.folder import Images
from loglik.data.formats.paths import check_regular, status
from loglik.data.formats.sound.recordings import WINDOW, Recordings
from loglik.data.reading import Reading
from loglik.errors import ContextError, EmptyData, ShapeMismatch, UnreadableData
from loglik.spaces import Category, Space

SOUNDS = (".wav", ".flac", ".aif", ".aiff", ".au", ".caf", ".w64")
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".pgm", ".ppm", ".pbm", ".pnm")
MOST_FILES = 1_000_000  # in a folder and its subfolders, of any kind


def open_images(path: str, labelled: bool, space: Space | str | None, reading: Reading) -> Images:
    """All images of a path; `labelled`, with the class of each as its context."""
    paths = files_of(path)
    if not labelled:
        return Images(paths, space)
    labels, names = subfolder_labels(paths, Path(path), reading.labels)
    return Images(paths, space, labels, label_space(names))


def open_sound(path: str, labelled: bool, space: Space | None, window: int | None, reading: Reading) -> Recordings:
    """The windows of all recordings of a path; `labelled`, with the class of each as its context."""
    paths = files_of(path)
    labels, names = subfolder_labels(paths, Path(path), reading.labels) if labelled else (None, ())
    classes = label_space(names) if labelled else None
    source = Recordings(paths, window=window or WINDOW, space=space, labels=labels, label_space=classes)
    if reading.sample_rate not in (None, source.sample_rate):
        raise ShapeMismatch(
            f"Expected {reading.sample_rate} Hz, as the run was fitted to; got {source.sample_rate} Hz in {path}. "
            f"Resample it: sox in.wav -r {reading.sample_rate} out.wav."
        )
    return source


def files_of(path: str | Path) -> list[Path]:
    """The files in a folder, or a file by itself."""
    return files_in(path) if os.path.isdir(path) else [Path(path)]


def files_in(folder: str | Path) -> list[Path]:
    """All images, or all recordings, in a folder and its subfolders, by name; other files are left alone.

    Links are followed, except those back to a folder that holds them. Names that begin with a dot are left out.

    Raises:
        EmptyData: an empty folder. UnreadableData: neither images nor recordings, or both, or not to be read; pipes and
        devices called so; the whole file system.
    """
    folder = Path(folder)
    if os.path.realpath(folder) == os.sep:
        raise UnreadableData(
            f"Expected a folder of images or recordings; got {folder}, the whole file system. Name one."
        )
    found = sorted(_files_below(str(folder)))
    if not found:
        raise EmptyData(
            f"Expected images or recordings; the folder {folder} holds no file. Put some in it, or name another."
        )
    sounds, images = ([name for name in found if name.lower().endswith(kind)] for kind in (SOUNDS, IMAGES))
    if sounds and images:
        raise UnreadableData(
            f"Expected images or recordings; the folder {folder} holds both, {os.path.basename(images[0])} and "
            f"{os.path.basename(sounds[0])}. Keep them apart."
        )
    if not sounds and not images:
        raise UnreadableData(
            f"Expected images ({', '.join(IMAGES[:4])}, ...) or recordings ({', '.join(SOUNDS[:2])}, ...); the folder "
            f"{folder} holds none, but {os.path.basename(found[0])}. Name a file inside it, or another folder."
        )
    return [Path(folder, name) for name in sounds or images]


def _files_below(folder: str) -> Iterator[str]:
    """The names, beginning below `folder`, of all files that are not hidden."""
    waiting: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
    seen = 0
    while waiting:
        inside, above = waiting.pop()
        place = os.path.join(folder, inside)
        try:
            info = os.stat(place)
            entries = list(os.scandir(place))
        except OSError as error:
            raise UnreadableData(
                f"Expected a folder that can be read; got {place}: {error.strerror}. Leave it out, or let it be read."
            ) from None
        here = (info.st_dev, info.st_ino)
        if here in above:  # a link back
            continue
        seen += len(entries)
        if seen > MOST_FILES:
            raise UnreadableData(f"Expected at most {MOST_FILES} files; {folder} holds more. Name a folder inside it.")
        for entry in entries:
            name = os.path.join(inside, entry.name)
            if entry.name.startswith("."):
                continue
            if _is(entry.is_dir):
                waiting.append((name, above | {here}))
            else:
                if not _is(entry.is_file) and name.lower().endswith((*SOUNDS, *IMAGES)):
                    path = os.path.join(folder, name)
                    check_regular(path, status(path))
                yield name


def _is(kind: Callable[[], bool]) -> bool:
    try:
        return kind()
    except OSError:  # links in a loop
        return False


def is_sound(path: Path) -> bool:
    return path.suffix.lower() in SOUNDS


def subfolder_labels(
    paths: Sequence[Path], folder: Path, known: Sequence[str] | None = None
) -> tuple[list[int], tuple[str, ...]]:
    """The class of each file, the number of the subfolder it lies in, and the names of all; `known` fixes the numbers.

    Raises:
        ContextError: a file outside all subfolders, or in one that is not known; fewer than 2 classes.
    """
    inside = [path.relative_to(folder).parts for path in paths]
    for path, parts in zip(paths, inside, strict=True):
        if len(parts) < 2:
            raise ContextError(f"Expected a subfolder of {folder} for each class; {path.name} lies in none. Move it.")
    classes = [parts[0] for parts in inside]
    names = tuple(known or sorted(set(classes)))
    if len(names) < 2:
        raise ContextError(f"Expected at least 2 subfolders of {folder}, one for each class; got {len(names)}.")
    number = {name: i for i, name in enumerate(names)}
    for name in classes:
        if name not in number:
            raise ContextError(f"Expected subfolders of {folder} called {', '.join(names[:8])}; got {name}.")
    return [number[name] for name in classes], names


def label_space(names: Sequence[str]) -> Category:
    return Category((), len(names))
