"""One image file: what its header states, and its pixels in whole numbers as they are stored, upright."""

import io
import re
import struct
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from loglik.data.formats.images.pillow import opened
from loglik.data.formats.stderr import discarding_stderr
from loglik.errors import UnreadableData

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

ORIENTATION, BITS_PER_SAMPLE, TIFF_SIZE = 0x0112, 258, (256, 257)  # entries of EXIF and TIFF
PNG, PNM = b"\x89PNG\r\n\x1a\n", re.compile(rb"P[2356](?:\s|#[^\n]*\n)+(?:\d+(?:\s|#[^\n]*\n)+){2}(\d+)")
RGB, PALETTE, GREY_ALPHA = ("RGB", "RGBA", "RGBa", "RGBX"), ("P", "PA"), ("LA", "La")
TOPS = {"1": 1, "P": 255, "PA": 255}  # of modes that have one depth alone
GREY16 = ("I;16", "I;16B", "I;16L", "I;16N")
COLOURS = {"CMYK": "printing inks (CMYK)", "F": "fractions (F)", "LAB": "CIE L*a*b* (LAB)"}


@dataclass(frozen=True)
class Header:
    """What a file states before it is decoded: width and height in pixels as shown, upright.

    `top` is the value of white, 255 of 8 bits and 1 of black and white. What had to be done to the pixels: `palette`
    looked up, `alpha` taken off (it is opaque, or the image is refused), turned from the `orientation` that the camera
    noted (of EXIF, 1 to 8; 1 is upright), the `first` taken of several pictures in a photograph.
    """

    width: int
    height: int
    colour: bool
    top: int
    palette: bool = False
    alpha: bool = False
    orientation: int = 1
    first: bool = False

    @property
    def turned(self) -> bool:
        return self.orientation > 1

    def __str__(self) -> str:
        """ "481 x 321 colour", width first, as image programs say it."""
        bits = {1: "black and white", 255: "colour" if self.colour else "grey", 65535: "16-bit grey"}
        kind = bits.get(self.top, f"grey of {self.top + 1} levels")
        return f"{self.width} x {self.height} {kind}" + (" (turned upright)" if self.turned else "")


def read_header(path: Path) -> Header:
    """What a file states of itself.

    Raises:
        UnreadableData: no image, damaged, too large, several images, or of a kind that would have to be changed.
    """
    with opened(path) as image:
        return _header(image, path)


def read_image(path: Path) -> tuple[Header, Tensor]:
    """A file's header and its pixels (C, H, W), from 0 to the header's `top`: uint8, or int32 above 255.

    Raises:
        UnreadableData: as for `read_header`; transparent; values below 0 or of more than 16 bits.
    """
    with opened(path) as image:
        header = _header(image, path)
        with discarding_stderr() if image.format == "TIFF" else nullcontext():
            image.load()
        # Pillow turns TIFF itself, and takes the note off.
        orientation = _orientation(image) if image.format == "TIFF" else header.orientation
        plain = _upright(_opaque(image, path), orientation)
        if not header.colour and plain.mode == "RGB":
            plain = plain.getchannel("R")
        array, white = np.asarray(plain), _decoded_top(image, header)
    if header.colour:
        return header, torch.from_numpy(np.array(array.transpose(2, 0, 1), dtype=np.uint8, order="C"))
    grey = array
    if white != header.top:  # rounding finds the levels again, for they lie further apart than 1
        grey = (2 * array.astype(np.int64) * header.top + white) // (2 * white)
    if grey.min() < 0 or grey.max() > header.top:
        raise UnreadableData(
            f"Expected grey of 16 bits; got values from {grey.min()} to {grey.max()} in {path}. Save them as NPY."
        )
    return header, torch.from_numpy(grey[None].astype(np.uint8 if header.top <= 255 else np.int32))


def _decoded_top(image: "ImageFile", header: Header) -> int:
    """The value of white in the pixels that Pillow gives: it spreads few levels over 8 or 16 bits."""
    if image.mode == "1":
        return header.top
    return 255 if image.mode == "L" else 65535 if image.format == "PPM" else header.top


def _header(image: "ImageFile", path: Path) -> Header:
    photograph = image.format == "MPO"  # a JPEG with further pictures in it, of depth or for a preview
    if getattr(image, "is_animated", False) and not photograph:
        raise UnreadableData(
            f"Expected one image in a file; got {getattr(image, 'n_frames', 2)} in {path}. Save them one by one."
        )
    colour = image.mode in RGB or (image.mode in PALETTE and _has_colours(image, path))
    if not colour and image.mode not in ("1", "L", "I", *GREY_ALPHA, *PALETTE, *GREY16):
        kind = COLOURS.get(image.mode, image.mode)
        raise UnreadableData(
            f"Expected grey or RGB; got {kind} in {path}. Convert it: magick in{path.suffix} -colorspace sRGB out.png."
        )
    top = _top(image, colour, path)
    turn = _orientation(image)  # which may have to decode the image, and closes its file
    # Of TIFF some versions of Pillow state the size upright, others as it is stored.
    width, height = image.size
    if image.format == "TIFF":
        width, height = (_tiff_entries(image)[tag] for tag in TIFF_SIZE)
    if turn > 4:
        width, height = height, width
    return Header(
        width, height, colour, top, palette=image.mode in PALETTE,
        alpha=_has_alpha(image),
        orientation=turn, first=photograph,
    )  # fmt: skip


def _orientation(image: "ImageFile") -> int:
    """How the camera was held, 1 to 8: from EXIF, or TIFF's own entry; 1, upright, where nothing valid is noted."""
    from PIL import Image

    try:
        # A PNG is decoded by its own `getexif`, to find what stands behind the pixels.
        early = image.format == "PNG" and not _noted_late(image)
        noted = (Image.Image.getexif(image) if early else image.getexif()).get(ORIENTATION, 1)
    except Exception:  # EXIF is a free-form appendix, and damage in it is none of the image
        return 1
    return noted if isinstance(noted, int) and 1 <= noted <= 8 else 1


def _noted_late(image: "ImageFile") -> bool:
    """Whether the EXIF of a PNG stands behind its pixels; only the lengths of its chunks are read."""
    file = _file(image)
    place = file.tell()
    file.seek(len(PNG))
    name, found = b"", False
    while name != b"IEND" and len(chunk := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", chunk)
        found = found or name == b"eXIf"
        file.seek(length + 4, io.SEEK_CUR)
    file.seek(place)
    return found and "exif" not in image.info


def _upright(image: "Image", orientation: int) -> "Image":
    from PIL import Image

    turn = Image.Transpose
    ways = (
        turn.FLIP_LEFT_RIGHT, turn.ROTATE_180, turn.FLIP_TOP_BOTTOM, turn.TRANSPOSE, turn.ROTATE_270, turn.TRANSVERSE,
        turn.ROTATE_90,
    )  # fmt: skip
    return image if orientation == 1 else image.transpose(ways[orientation - 2])


def _has_colours(image: "ImageFile", path: Path) -> bool:
    """Whether any entry of the palette is not grey."""
    from PIL import Image

    if image.palette is None:
        raise UnreadableData(f"Expected an image; {path} has numbers of colours without its palette. Save it again.")
    blank = Image.new("P", (1, 1))
    rawmode, entries = image.palette.getdata()
    blank.putpalette(entries, rawmode)
    table = np.array(blank.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return bool((table != table[:, :1]).any())


def _top(image: "ImageFile", colour: bool, path: Path) -> int:
    """The value of white, as the file states its depth.

    Raises:
        UnreadableData: a depth that Pillow would round without notice.
    """
    if image.mode in TOPS:
        return TOPS[image.mode]
    top = _stated_top(image)
    if top is None:
        top = 255 if colour or image.mode in ("L", *GREY_ALPHA) else 65535
    deepest = 255 if colour or image.mode in GREY_ALPHA else 65535
    if top > deepest:
        raise UnreadableData(
            f"Expected {'colours' if colour else 'grey with alpha'} of 8 bits; got {top.bit_length()} in {path}. "
            "Convert it: magick in.png -depth 8 out.png."
        )
    if colour and 255 % top:
        raise UnreadableData(f"Expected colours of 8 bits; got values 0 to {top} in {path}. Convert them.")
    return 255 if colour else top


def _stated_top(image: "ImageFile") -> int | None:
    """The value of white that a header states; None where the format has one depth alone."""
    if image.format == "PNG":
        return (1 << _beginning(image, 25)[24]) - 1
    if image.format == "TIFF":
        bits = _tiff_entries(image).get(BITS_PER_SAMPLE, (8,))
        depth: int = max(bits) if isinstance(bits, tuple) else bits
        return (1 << min(16, depth)) - 1
    stated = PNM.match(_beginning(image, 4096)) if image.format == "PPM" else None
    return int(stated[1]) if stated else None


def _tiff_entries(image: "ImageFile") -> "ImageFileDirectory_v2":
    """What a TIFF file states of itself, by number."""
    from PIL.TiffImagePlugin import TiffImageFile

    assert isinstance(image, TiffImageFile)
    return image.tag_v2


def _beginning(image: "ImageFile", count: int) -> bytes:
    file = _file(image)
    place = file.tell()
    file.seek(0)
    head = file.read(count)
    file.seek(place)
    return head


def _file(image: "ImageFile") -> IO[bytes]:
    assert image.fp is not None  # it is open until it is read
    return image.fp


def _opaque(image: "ImageFile", path: Path) -> "Image":
    """The image without palette and alpha, once its alpha is known to be opaque everywhere."""
    if _is_clear(image):
        raise UnreadableData(
            f"Expected opaque pixels; {path} is transparent in places. Choose what is behind it: "
            "magick in.png -background white -flatten out.png."
        )
    if image.mode in ("PA", "RGBa"):
        return image.convert("RGBA").convert("RGB")
    if image.mode in ("P", "RGBA", "RGBX"):
        return image.convert("RGB")
    if image.mode in GREY_ALPHA:
        return (image if image.mode == "LA" else image.convert("LA")).getchannel("L")
    return image


def _has_alpha(image: "Image") -> bool:
    return image.mode in ("RGBA", "RGBa", "PA", *GREY_ALPHA) or "transparency" in image.info


def _is_clear(image: "Image") -> bool:
    """Whether any pixel is transparent."""
    if image.mode in GREY16 or image.mode == "I":
        hidden = image.info.get("transparency")
        return isinstance(hidden, int) and bool((np.asarray(image) == hidden).any())
    if not _has_alpha(image):
        return False
    with_alpha = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    return bool(np.asarray(with_alpha.getchannel("A")).min() < 255)
