"""numba's `njit`, with a place for its cache on installations that cannot be written. Imported where it is used.

numba keeps what it compiled beside the source or, failing that, in the user's cache folder, as files that it trusts:
whoever can write there can run code. Where neither can be written, a folder of this process alone is used, and removed
at its end.
"""

import atexit
import shutil
import tempfile

import numba
from numba import njit

__all__ = ["njit"]


def _can_be_kept() -> bool:
    """Whether numba finds a place, asked as it asks itself."""
    try:
        njit(cache=True)(_can_be_kept)
    except RuntimeError:  # no locator available
        return False
    return True


if not _can_be_kept():
    numba.config.CACHE_DIR = tempfile.mkdtemp(prefix="loglik-compiled-")  # type: ignore[attr-defined]
    atexit.register(shutil.rmtree, numba.config.CACHE_DIR, ignore_errors=True)  # type: ignore[attr-defined]
