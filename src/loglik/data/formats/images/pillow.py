"""Image files opened by Pillow: only in the formats listed here, up to a largest size, without warnings.

Some of Pillow's other readers start programs (Ghostscript, for EPS). An image that states more than `MOST_PIXELS` is
refused before any of it is decoded.
"""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from loglik.data.checks import one_line
from loglik.data.formats.paths import check_regular
from loglik.data.formats.signatures import EMPTY, ZEROS, described, remedy
from loglik.errors import LoglikError, UnreadableData

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM")  # Pillow's names
MOST_PIXELS = 1 << 26  # 67 megapixels


@contextmanager
def opened(path: Path) -> Iterator["ImageFile"]:
    """Pillow's image, not decoded yet; any error of Pillow's readers becomes an UnreadableData."""
    from PIL import Image, UnidentifiedImageError

    try:
        check_regular(path, path.stat())
        with warnings.catch_warnings(), _unlogged():
            warnings.simplefilter("ignore")  # of damage that Pillow reads past, and of sizes, which are checked here
            with Image.open(path, formats=FORMATS) as image:
                _check_size(*image.size, path)
                yield image
    except LoglikError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(str(next(iter(re.findall(r"\d{4,}", str(error))), "more")), path) from None
    except UnidentifiedImageError:
        name = described(str(path))
        if name.endswith(" image") and name.split()[1] in FORMATS:
            raise UnreadableData(
                f"Expected an image; {path} is {name} whose header is damaged. Save it again."
            ) from None
        what = f"which is {name}" if name else "which is damaged, or in another format"
        known = ", ".join(FORMATS)
        advice = remedy(name, "") if name in (EMPTY, ZEROS) else "Convert it to PNG, or leave it out."
        raise UnreadableData(f"Expected an image ({known}); got {path}, {what}. {advice}") from None
    except Exception as error:  # Pillow's readers fail in as many ways as there are formats
        raise UnreadableData(
            f"Expected an image; {path} cannot be read ({one_line(error)}). Copy or download it again, or leave it out."
        ) from None


@contextmanager
def _unlogged() -> Iterator[None]:
    """Nothing that Pillow logs about damage is printed; Python prints it where no handler is set."""
    logger, nobody = logging.getLogger("PIL"), logging.NullHandler()
    logger.addHandler(nobody)
    try:
        yield
    finally:
        logger.removeHandler(nobody)


def _check_size(width: int, height: int, path: Path) -> None:
    if width < 1 or height < 1:
        raise UnreadableData(f"Expected an image of at least one pixel; got {width} x {height} in {path}.")
    if width * height > MOST_PIXELS:
        raise _too_large(f"{width} x {height} = {width * height}", path)


def _too_large(stated: str, path: Path) -> UnreadableData:
    return UnreadableData(
        f"Expected an image of at most {MOST_PIXELS} pixels; {path} states {stated}. Cut or scale it down first."
    )
