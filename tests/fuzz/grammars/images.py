"""Folders of images: modes, formats, depths, palettes, alpha, orientation, animations, stated sizes, and damage."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from attempt import Attempt
from hypothesis import strategies as st

from grammars import tiny
from grammars.hostile import damaged, mostly, names, rarely, used

MODES = ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I", "I;16", "F", "YCbCr", "LAB")
FORMATS = {
    "png": ("png", ("1", "L", "P", "RGB", "RGBA", "LA", "I;16", "I")),
    "jpg": ("jpeg", ("L", "RGB", "CMYK", "1")),
    "bmp": ("bmp", ("1", "L", "P", "RGB", "RGBA")),
    "tif": ("tiff", MODES),
    "gif": ("gif", ("L", "P", "RGB", "1")),
    "webp": ("webp", ("RGB", "RGBA", "L")),
    "pgm": ("ppm", ("L", "I;16")),
    "ppm": ("ppm", ("RGB",)),
}
STRANGERS = {
    "note.txt": b"a note", ".DS_Store": b"\x00\x01", "Thumbs.db": b"\xd0\xcf", "a.svg": b"<svg/>", "b.png": b"",
    "c.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\nshowpage\n", "d.jpg": b"<html>not found</html>",
    "e.wav": b"RIFF", "f.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n", "g.heic": b"\x00\x00\x00\x18ftypheic",
}  # fmt: skip


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    count, side = int(draw(mostly(24, 12, 3, 1, 0, share=4))), draw(st.sampled_from((4, 4, 4, 1, 7)))
    kind, mode = draw(_kinds())
    files = {f"i/{k:02d}.{kind}": image(k, kind, mode, (side, side)) for k in range(count)}
    for _ in range(draw(mostly(0, 1, 2, share=2))):
        odd, other = draw(_kinds())
        size = draw(st.sampled_from(((4, 4), (4, 5), (1, 1), (40, 30))))
        turned, frames, alpha = draw(st.integers(0, 9)), draw(st.integers(1, 3)), draw(st.booleans())
        content = image(99, odd, other, size, turned, frames, alpha)
        content = draw(damaged(content)) if draw(rarely(4)) else content
        files[f"i/{draw(st.sampled_from(('00', 'zz', 'u/v')))}.{odd}"] = content
    if draw(rarely(6)):
        name = draw(st.sampled_from(sorted(STRANGERS)))
        files[f"i/{name}"] = STRANGERS[name]
    if draw(rarely(10)):
        files["i/00.png"] = large_png(*draw(st.sampled_from(((9500, 9500), (60000, 60000), (2**31 - 1, 1), (0, 4)))))
    classes = draw(mostly((), ("cat", "dog"), ("only",), (draw(names), "b")))
    if classes:
        files = {f"i/{_plain(classes[k % len(classes)])}/{n[2:]}": c for k, (n, c) in enumerate(files.items())}
    files = files or {"i/.hidden": b""}
    more = ("--context", "label") if classes else draw(mostly((), ("--space", "integer:4"), ("--window", "4")))
    models = ("histogram", "histogram", "gaussian", "uniform")
    return draw(used(files, "i", models, tiny.run("images"), more))


@st.composite
def _kinds(draw: st.DrawFn) -> tuple[str, str]:
    kind = str(draw(mostly("png", *FORMATS, share=3)))
    return kind, draw(st.sampled_from(FORMATS[kind][1]))


def _plain(name: str) -> str:
    """A name that a folder may have."""
    name = name.replace("/", "_").replace("\x00", "_").encode("utf-8", "replace").decode()[:60]
    return name if name not in ("", ".", "..") else "dots"


def image(
    number: int, kind: str, mode: str, size: tuple[int, int], orientation: int = 0, frames: int = 1, alpha: bool = True
) -> bytes:
    from PIL import Image

    random = np.random.default_rng(number)

    def frame() -> Any:
        if mode in ("I", "F", "I;16"):
            values = random.integers(0, 65536, size[::-1])
            return Image.fromarray(values.astype({"I": np.int32, "F": np.float32, "I;16": np.uint16}[mode]))
        colours = Image.fromarray(random.integers(0, 256, (*size[::-1], 3), dtype=np.uint8))
        changed = colours.convert("RGB" if mode == "LAB" and kind != "tif" else mode)
        if alpha and mode in ("LA", "RGBA"):
            changed.putalpha(Image.fromarray(random.integers(0, 256, size[::-1], dtype=np.uint8)))
        return changed

    out, first = io.BytesIO(), frame()
    more: dict[str, Any] = {}
    if orientation and kind in ("jpg", "png", "webp", "tif"):
        exif = Image.Exif()
        exif[274] = orientation
        more["exif"] = exif
    if frames > 1 and kind in ("gif", "tif", "webp", "png"):
        more |= {"save_all": True, "append_images": [frame() for _ in range(frames - 1)]}
    try:
        first.save(out, FORMATS[kind][0], **more)
    except (OSError, ValueError, KeyError):  # a mode with an option that this format has not
        out = io.BytesIO()
        first.save(out, "tiff")
    return out.getvalue()


def large_png(width: int, height: int) -> bytes:
    """A small file that states a large size: its first rows are there, in black."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
