"""Checks of a path before it is opened: it exists, is a file, and may be read. Nothing is read here.

A pipe would wait for its writer and a device may never end, so both are refused.
"""

import difflib
import os
import stat
from pathlib import Path

from loglik.errors import DataNotFound, EmptyData, UnreadableData

KINDS = (
    (stat.S_ISFIFO, "a pipe", "Write what comes out of it to a file first."),
    (stat.S_ISSOCK, "a socket", "Name a file."),
    (stat.S_ISCHR, "a device", "Name a file."),
    (stat.S_ISBLK, "a device", "Name a file."),
)


def check_file(path: str) -> None:
    """Raises DataNotFound, UnreadableData or EmptyData unless `path` is a file that can be read and holds something."""
    info = status(path)
    if stat.S_ISDIR(info.st_mode):
        raise UnreadableData(f"Expected a file; got the folder {path}. Name a file inside it.")
    check_regular(path, info)
    if not os.access(path, os.R_OK):
        raise UnreadableData(
            f"Expected a file that can be read; got {path}, which this user may not read. Let it be read (chmod +r)."
        )
    if info.st_size == 0:
        raise EmptyData(f"Expected data; got an empty file, {path}. Export or copy it again, or name another.")


def status(path: str) -> os.stat_result:
    """What the file system says of a path, links followed.

    Raises:
        DataNotFound: nothing there. UnreadableData: links in a loop, a name too long, a folder that is closed to us.
    """
    try:
        return os.stat(path)
    except FileNotFoundError:
        if os.path.islink(path):
            raise DataNotFound(
                f"Expected a file at {path}; it is a link to {os.readlink(path)}, which is not there."
            ) from None
        raise DataNotFound(f"Expected a file at {path}; there is none.{_near(path)}") from None
    except NotADirectoryError:
        raise DataNotFound(f"Expected a file at {path}; a part of this path is no folder. Check the path.") from None
    except ValueError:  # a zero byte in the name
        raise DataNotFound(f"Expected the path of a file; got {path!r}. Check the path.") from None
    except OSError as error:
        raise UnreadableData(
            f"Expected a file that can be read; got {_short(path)}: {error.strerror}. Check it."
        ) from None


def check_regular(path: str | Path, info: os.stat_result) -> None:
    """Raises UnreadableData for what is neither a file nor a folder."""
    for is_one, name, advice in KINDS:
        if is_one(info.st_mode):
            raise UnreadableData(f"Expected a file or folder; got {path}, which is {name}. {advice}")


def _short(path: str) -> str:
    return path if len(path) <= 200 else f"{path[:100]}...{path[-60:]}"


def _near(path: str) -> str:
    """Files of nearly this name in the same folder, or the folder that is missing."""
    folder = Path(path).parent
    if not folder.is_dir():
        return f" The folder {folder} does not exist."
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return " Check the path."
    near = difflib.get_close_matches(Path(path).name, names, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(near)}?" if near else " Check the path."
