"""Single files that a user names: replaced only on request, and never if they are an input."""

import os
from collections.abc import Iterable
from pathlib import Path

from loglik.errors import WriteFailed
from loglik.output.writing import failures


def check_files(paths: Iterable[Path], *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Whether these files may be written; to be asked before the work that fills them. Nothing is touched.

    Args:
        overwrite: files that are there are replaced.
        inputs: files and folders that are read; no file of theirs is replaced in any case.

    Raises:
        WriteFailed: a file is there already, is read, or cannot be written.
    """
    sources = [Path(os.path.realpath(source)) for source in inputs if os.path.exists(source)]
    for path in paths:
        with failures(path):
            target = Path(os.path.realpath(path))
            if not os.path.lexists(target):
                _check_folder(target.parent)
                continue
            for source in sources:
                if target == source or source in target.parents or os.path.samefile(target, source):
                    raise WriteFailed(
                        f"{path} belongs to what is read here, so it is not replaced. Choose another name."
                    )
            if not target.is_file():
                raise WriteFailed(f"Could not write {path}: what is there is no file. Choose another name.")
            if not overwrite:
                raise WriteFailed(f"{path} is there already. Replace it with --overwrite, or choose another name.")
            _check_folder(target.parent)


def _check_folder(folder: Path) -> None:
    """Whether a file can be made there, as far as can be known without making one."""
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(0, f"{folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(0, f"{folder} cannot be written to")
