"""One image file: what its header states, and its pixels in whole numbers as they are stored, upright."""

import io
import re
import struct
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loglik.data.formats.images.pillow import opened
from loglik.data.formats.silence import silent
from loglik.errors import UnreadableData

ORIENTATION, BITS_PER_SAMPLE, TIFF_SIZE = 0x0112, 258, (256, 257)  # entries of EXIF and TIFF
PNG, PNM = b"\x89PNG\r\n\x1a\n", re.compile(rb"P[2356](?:\s|#[^\n]*\n)+(?:\d+(?:\s|#[^\n]*\n)+){2}(\d+)")
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
        with silent() if image.format == "TIFF" else nullcontext():
            image.load()
        mode, as_stored = image.mode, image.format
        # Pillow turns TIFF itself, and takes the note off.
        plain = _upright(_opaque(image, path), _orientation(image) if as_stored == "TIFF" else header.orientation)
        if not header.colour and plain.mode == "RGB":
            plain = plain.getchannel("R")
        array = np.asarray(plain)
    if header.colour:
        return header, torch.from_numpy(np.array(array.transpose(2, 0, 1), dtype=np.uint8, order="C"))
    # Pillow spreads few levels over 8 or 16 bits; rounding finds them again, for they lie further apart than 1.
    given = 255 if mode == "L" else 65535 if as_stored == "PPM" else header.top
    grey = array
    if mode != "1" and given != header.top:
        grey = (2 * array.astype(np.int64) * header.top + given) // (2 * given)
    if grey.min() < 0 or grey.max() > header.top:
        raise UnreadableData(
            f"Expected grey of 16 bits; got values from {grey.min()} to {grey.max()} in {path}. Save them as NPY."
        )
    return header, torch.from_numpy(grey[None].astype(np.uint8 if header.top <= 255 else np.int32))


def _header(image: Any, path: Path) -> Header:
    photograph = image.format == "MPO"  # a JPEG with further pictures in it, of depth or for a preview
    if getattr(image, "is_animated", False) and not photograph:
        raise UnreadableData(f"Expected one image in a file; got {image.n_frames} in {path}. Save them one by one.")
    colour = image.mode in ("RGB", "RGBA", "RGBa", "RGBX") or (image.mode in ("P", "PA") and _has_colours(image, path))
    if not colour and image.mode not in ("1", "L", "LA", "La", "I", "P", "PA", *GREY16):
        kind = COLOURS.get(image.mode, image.mode)
        raise UnreadableData(
            f"Expected grey or RGB; got {kind} in {path}. Convert it: magick in{path.suffix} -colorspace sRGB out.png."
        )
    top = _top(image, colour, path)
    turn = _orientation(image)  # which may have to decode the image, and closes its file
    # Of TIFF some versions of Pillow state the size upright, others as it is stored.
    width, height = image.size if image.format != "TIFF" else (image.tag_v2[tag] for tag in TIFF_SIZE)
    if turn > 4:
        width, height = height, width
    return Header(
        width, height, colour, top, palette=image.mode in ("P", "PA"),
        alpha=image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info,
        orientation=turn, first=photograph,
    )  # fmt: skip


def _orientation(image: Any) -> int:
    """How the camera was held, 1 to 8: from EXIF, or TIFF's own entry; 1, upright, where nothing sensible is noted."""
    from PIL import Image

    try:
        # A PNG is decoded by its own `getexif`, to find what stands behind the pixels.
        early = image.format == "PNG" and not _noted_late(image)
        noted = (Image.Image.getexif(image) if early else image.getexif()).get(ORIENTATION, 1)
    except Exception:  # EXIF is a free-form appendix, and damage in it is none of the image
        return 1
    return noted if isinstance(noted, int) and 1 <= noted <= 8 else 1


def _noted_late(image: Any) -> bool:
    """Whether the EXIF of a PNG stands behind its pixels; only the lengths of its chunks are read."""
    place = image.fp.tell()
    image.fp.seek(len(PNG))
    name, found = b"", False
    while name != b"IEND" and len(chunk := image.fp.read(8)) == 8:
        length, name = struct.unpack(">I4s", chunk)
        found = found or name == b"eXIf"
        image.fp.seek(length + 4, io.SEEK_CUR)
    image.fp.seek(place)
    return found and "exif" not in image.info


def _upright(image: Any, orientation: int) -> Any:
    from PIL import Image

    turn = Image.Transpose
    ways = (
        turn.FLIP_LEFT_RIGHT, turn.ROTATE_180, turn.FLIP_TOP_BOTTOM, turn.TRANSPOSE, turn.ROTATE_270, turn.TRANSVERSE,
        turn.ROTATE_90,
    )  # fmt: skip
    return image if orientation == 1 else image.transpose(ways[orientation - 2])


def _has_colours(image: Any, path: Path) -> bool:
    """Whether any entry of the palette is not grey."""
    from PIL import Image

    if image.palette is None:
        raise UnreadableData(f"Expected an image; {path} has numbers of colours without its palette. Save it again.")
    blank = Image.new("P", (1, 1))
    rawmode, entries = image.palette.getdata()
    blank.putpalette(entries, rawmode)
    table = np.array(blank.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return bool((table != table[:, :1]).any())


def _top(image: Any, colour: bool, path: Path) -> int:
    """The value of white, as the file states its depth.

    Raises:
        UnreadableData: a depth that Pillow would round, unsaid.
    """
    if image.mode == "1":
        return 1
    if image.mode in ("P", "PA"):
        return 255
    top = 255 if colour or image.mode in ("L", "LA", "La") else 65535
    if image.format == "PNG":
        top = 2 ** _beginning(image, 25)[24] - 1
    elif image.format == "TIFF":
        bits = image.tag_v2.get(BITS_PER_SAMPLE, (8,))
        top = 2 ** min(16, max(bits if isinstance(bits, tuple) else (bits,))) - 1
    elif image.format == "PPM":
        stated = PNM.match(_beginning(image, 4096))
        top = int(stated[1]) if stated else top
    deepest = 255 if colour or image.mode in ("LA", "La") else 65535
    if top > deepest:
        raise UnreadableData(
            f"Expected {'colours' if colour else 'grey with alpha'} of 8 bits; got {top.bit_length()} in {path}. "
            "Convert it: magick in.png -depth 8 out.png."
        )
    if colour and 255 % top:
        raise UnreadableData(f"Expected colours of 8 bits; got values 0 to {top} in {path}. Convert them.")
    return 255 if colour else top


def _beginning(image: Any, count: int) -> bytes:
    place = image.fp.tell()
    image.fp.seek(0)
    head: bytes = image.fp.read(count)
    image.fp.seek(place)
    return head


def _opaque(image: Any, path: Path) -> Any:
    """The image without palette and alpha, once its alpha is known to be opaque everywhere."""
    if image.mode in GREY16 or image.mode == "I":
        hidden = image.info.get("transparency")
        clear = isinstance(hidden, int) and bool((np.asarray(image) == hidden).any())
    elif image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info:
        with_alpha = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
        clear = with_alpha.getchannel("A").getextrema()[0] < 255
    else:
        clear = False
    if clear:
        raise UnreadableData(
            f"Expected opaque pixels; {path} is transparent in places. Choose what is behind it: "
            "magick in.png -background white -flatten out.png."
        )
    if image.mode in ("P", "PA", "RGBA", "RGBa", "RGBX"):
        return image.convert("RGBA").convert("RGB") if image.mode in ("PA", "RGBa") else image.convert("RGB")
    if image.mode in ("LA", "La"):
        return (image if image.mode == "LA" else image.convert("LA")).getchannel("L")
    return image
