"""Kinds of images that mean the same are read the same, and what was done is said; hostile files are refused."""

import os
import stat
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from loglik.data import open_dataset, open_source
from loglik.data.formats.folders import files_in
from loglik.data.formats.images.pillow import MOST_PIXELS
from loglik.errors import DataError, EmptyData, ShapeMismatch, UnreadableData
from loglik.spaces import Integer, Real

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (4, 6, 3)).astype(np.uint8)
GREY = RANDOM.integers(0, 256, (4, 6)).astype(np.uint8)
BITS = RANDOM.integers(0, 2, (4, 6)).astype(np.uint8)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *more: bytes) -> bytes:
    """As the format lays it out; `rows` each begin with a zero, `more` are chunks before the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + pixels + chunk(b"IEND", b"")


def only(path: Path, space: object = None) -> tuple[np.ndarray, str]:
    """The one image of a path, (C, H, W), and what is said of how it was read."""
    source = open_source(path, space=space)  # type: ignore[arg-type]
    return source.read().x[0].numpy(), source.read_as


def refused(path: Path, error: type[DataError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        open_source(path).read()
    assert "\n" not in str(caught.value)
    assert Path(path).name in str(caught.value)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_photographs_are_turned_as_the_camera_noted(suffix: str, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    image = Image.fromarray(COLOUR)
    exif = image.getexif()
    exif[274] = orientation
    image.save(path, exif=exif, **({"lossless": True} if suffix == ".webp" else {}))
    with Image.open(path) as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored)).transpose(2, 0, 1)
    x, said = only(path)
    assert x.tolist() == upright.tolist()
    assert x.shape == ((3, 6, 4) if orientation > 4 else (3, 4, 6))
    if suffix != ".jpg":
        ways = [(0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]
        down, across, swapped = ways[orientation - 1]  # the flips, then whether rows become columns: by hand
        turned = COLOUR[:: -1 if down else 1, :: -1 if across else 1]
        assert x.tolist() == (turned.transpose(2, 1, 0) if swapped else turned.transpose(2, 0, 1)).tolist()
    assert ("turned upright" in said) == (orientation > 1)


def test_a_note_behind_the_pixels_counts(tmp_path: Path) -> None:
    note = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"  # TIFF of one entry: orientation 6
    whole = png(2, 1, 8, 0, bytes([0, 7, 9]))
    (tmp_path / "a.png").write_bytes(whole[:-12] + chunk(b"eXIf", note) + whole[-12:])
    x, said = only(tmp_path / "a.png")
    assert x.tolist() == [[[7], [9]]]
    assert said == "turned upright as the camera noted (EXIF)"


def test_damaged_notes_of_a_camera_are_no_damage_of_the_image(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(COLOUR).save(path, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    assert only(path)[1] == ""
    image = Image.fromarray(COLOUR)
    exif = image.getexif()
    exif[274] = 99
    image.save(path, exif=exif)
    assert only(path)[1] == ""


def test_portraits_among_landscapes_are_named_upright(tmp_path: Path) -> None:
    for name, orientation in (("a.jpg", 1), ("b.jpg", 6)):
        image = Image.fromarray(COLOUR)
        exif = image.getexif()
        exif[274] = orientation
        image.save(tmp_path / name, exif=exif)
    with pytest.raises(
        ShapeMismatch, match=r"6 x 4 colour in .*a\.jpg and 4 x 6 colour \(turned upright\) in .*b\.jpg"
    ):
        open_source(tmp_path)


def test_grey_by_any_way_of_storing_it(tmp_path: Path) -> None:
    as_colour = np.repeat(GREY[:, :, None], 3, axis=2)
    opaque = np.full((4, 6, 1), 255, np.uint8)
    palette = Image.fromarray(GREY).convert("P")
    ways = {
        "plain.png": Image.fromarray(GREY),
        "rgb.png": Image.fromarray(as_colour),
        "rgba.png": Image.fromarray(np.concatenate([as_colour, opaque], 2)),
        "la.png": Image.fromarray(np.concatenate([GREY[:, :, None], opaque], 2)),
        "palette.png": palette,
        "palette.gif": palette,
        "rgb.bmp": Image.fromarray(as_colour),
        "plain.tif": Image.fromarray(GREY),
        "plain.pgm": Image.fromarray(GREY),
        "rgb.ppm": Image.fromarray(as_colour),
    }
    for name, image in ways.items():
        image.save(tmp_path / name)
        alone, said = only(tmp_path / name)
        assert alone.tolist() == [GREY.tolist()], name
        assert ("rgb" in name) == ("whose channels are all equal" in said)
    source = open_source(tmp_path)
    assert source.space == Integer((1, 4, 6), 256)
    assert all(x.tolist() == [GREY.tolist()] for x in source.read().x)
    assert "4 colour whose channels are all equal, as grey" in source.read_as
    assert "2 with opaque alpha, left out" in source.read_as
    assert open_dataset(tmp_path).read_as == source.read_as


def test_grey_among_colours_becomes_colour_in_any_order(tmp_path: Path) -> None:
    for order in ("ab", "ba"):
        names = [tmp_path / order / f"{name}.png" for name in order]
        (tmp_path / order).mkdir()
        Image.fromarray(GREY).save(names[0])
        Image.fromarray(COLOUR).save(names[1])
        source = open_source(tmp_path / order)
        assert source.space == Integer((3, 4, 6), 256)
        rows = {tuple(x.flatten().tolist()) for x in source.read().x}
        assert rows == {tuple(np.repeat(GREY[None], 3, 0).ravel()), tuple(COLOUR.transpose(2, 0, 1).ravel())}
        assert source.read_as == "of 2 images 1 grey as colour"


def test_a_run_reads_what_means_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(GREY).save(path)
    assert only(path, Integer((3, 4, 6), 256))[0].tolist() == [GREY.tolist()] * 3
    Image.fromarray(np.repeat(GREY[:, :, None], 3, axis=2)).save(path)
    assert only(path, Integer((1, 4, 6), 256))[0].tolist() == [GREY.tolist()]
    Image.fromarray(COLOUR).save(path)
    with pytest.raises(ShapeMismatch, match=r"got colours in .*a\.png"):
        only(path, Integer((1, 4, 6), 256))
    Image.fromarray(BITS * 255).save(path)  # black and white in bytes, for a run of two levels
    assert only(path, Integer((1, 4, 6), 2))[0].tolist() == [BITS.tolist()]
    Image.fromarray(BITS).save(path)  # the levels themselves
    assert only(path, Integer((1, 4, 6), 2))[0].tolist() == [BITS.tolist()]
    Image.fromarray(BITS * 255).convert("1").save(path)
    assert only(path, Real((1, 4, 6)))[0].tolist() == only(path, "real")[0].tolist() == [(BITS * 255.0).tolist()]
    Image.fromarray(GREY.astype(np.uint16) * 257).save(path)  # 16 bits that say no more than 8
    assert only(path, Integer((1, 4, 6), 256))[0].tolist() == [GREY.tolist()]


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_few_bits_have_few_levels(depth: int, tmp_path: Path) -> None:
    """A PNG of 8 pixels in one row, packed by hand."""
    levels = [i % 2**depth for i in (0, 1, 3, 2, 1, 1, 0, 3)]
    packed = sum(level << (depth * (7 - place)) for place, level in enumerate(levels)).to_bytes(depth, "big")
    (tmp_path / "a.png").write_bytes(png(8, 1, depth, 0, b"\0" + packed))
    source = open_source(tmp_path / "a.png")
    assert source.space == Integer((1, 1, 8), 2**depth)
    assert source.read().x.flatten().tolist() == levels
    (tmp_path / "b.png").write_bytes(png(8, 1, 8, 0, b"\0" + bytes(range(0, 240, 30))))
    both = open_source(tmp_path)
    assert both.space == Integer((1, 1, 8), 256)
    assert both.read().x[0].flatten().tolist() == [level * 255 // (2**depth - 1) for level in levels]
    assert "1 with their levels spread over 0..255" in both.read_as


@pytest.mark.parametrize(("top", "kind"), [(1, "P2"), (3, "P5"), (15, "P2"), (99, "P5"), (254, "P5"), (1000, "P2")])
def test_portable_grey_maps_keep_the_levels_that_they_state(top: int, kind: str, tmp_path: Path) -> None:
    values = [0, top, top // 2, top // 3, 1, top - 1]
    body = " ".join(map(str, values)).encode() if kind == "P2" else bytes(values)
    (tmp_path / "a.pgm").write_bytes(f"{kind}\n# a comment\n3 2\n{top}\n".encode() + body)
    source = open_source(tmp_path / "a.pgm")
    assert source.space == Integer((1, 2, 3), top + 1)
    assert source.read().x.flatten().tolist() == values


def test_colour_of_other_depths_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6 1 1 65535\n" + bytes(6))
    refused(tmp_path / "a.ppm", UnreadableData, "8 bits; got 16")
    (tmp_path / "a.ppm").write_bytes(b"P6 1 1 100\n" + bytes(3))
    refused(tmp_path / "a.ppm", UnreadableData, "values 0 to 100")
    for kind, width in ((2, 6), (4, 4), (6, 8)):
        (tmp_path / "a.png").write_bytes(png(1, 1, 16, kind, bytes(1 + width)))
        refused(tmp_path / "a.png", UnreadableData, "8 bits; got 16")
    for kind in ("CMYK", "LAB", "F", "YCbCr"):
        image = (
            Image.new("F", (2, 2)) if kind == "F" else Image.fromarray(COLOUR).convert(kind if kind != "LAB" else "RGB")
        )
        if kind == "LAB":
            image = Image.new("LAB", (2, 2))
        image.save(tmp_path / "b.tif")
        refused(tmp_path / "b.tif", UnreadableData, "grey or RGB")


def test_deep_grey_keeps_its_levels(tmp_path: Path) -> None:
    deep = RANDOM.integers(0, 65536, (4, 6)).astype(np.uint16)
    for name in ("a.png", "a.tif"):
        Image.fromarray(deep).save(tmp_path / name)
        assert only(tmp_path / name)[0].tolist() == [deep.tolist()]
    (tmp_path / "a.pgm").write_bytes(b"P5 6 4 65535\n" + deep.astype(">u2").tobytes())
    assert open_source(tmp_path).space == Integer((1, 4, 6), 65536)
    assert all(x.tolist() == [deep.tolist()] for x in open_source(tmp_path).read().x)
    Image.fromarray(np.full((4, 6), -1, np.int32)).save(tmp_path / "a.tif")
    refused(tmp_path / "a.tif", UnreadableData, "from -1 to -1")


def test_transparency_by_any_way_of_storing_it(tmp_path: Path) -> None:
    """Where a pixel is seen through, nothing says what colour it has."""
    path = tmp_path / "a.png"
    rows = b"\0" + bytes([7, 9])
    path.write_bytes(png(2, 1, 8, 0, rows, chunk(b"tRNS", b"\0\7")))
    refused(path, UnreadableData, "transparent in places")
    path.write_bytes(png(2, 1, 8, 0, rows, chunk(b"tRNS", b"\0\1")))  # a key that no pixel has
    assert only(path)[0].tolist() == [[[7, 9]]]
    path.write_bytes(png(2, 1, 8, 2, b"\0" + bytes([1, 2, 3, 4, 5, 6]), chunk(b"tRNS", bytes([0, 1, 0, 2, 0, 3]))))
    refused(path, UnreadableData, "transparent in places")
    path.write_bytes(png(2, 1, 16, 0, b"\0" + bytes([1, 2, 3, 4]), chunk(b"tRNS", b"\1\2")))
    refused(path, UnreadableData, "transparent in places")
    path.write_bytes(png(8, 1, 1, 0, b"\0\x0f", chunk(b"tRNS", b"\0\1")))
    refused(path, UnreadableData, "transparent in places")
    table = chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
    path.write_bytes(png(2, 1, 8, 3, b"\0\0\1", table, chunk(b"tRNS", b"\xff\x80")))
    refused(path, UnreadableData, "transparent in places")
    path.write_bytes(png(2, 1, 8, 3, b"\0\0\1", table, chunk(b"tRNS", b"\xff\xff")))
    assert only(path)[0].tolist() == [[[10, 40]], [[20, 50]], [[30, 60]]]
    frame = Image.fromarray(GREY).convert("P")
    frame.save(tmp_path / "a.gif", transparency=int(np.asarray(frame)[0, 0]))
    refused(tmp_path / "a.gif", UnreadableData, "transparent in places")
    clear = np.concatenate([COLOUR, np.full((4, 6, 1), 254, np.uint8)], axis=2)
    for suffix in (".webp", ".tif"):
        Image.fromarray(clear).save(tmp_path / f"c{suffix}")
        refused(tmp_path / f"c{suffix}", UnreadableData, "transparent in places")


def test_several_pictures_in_a_file(tmp_path: Path) -> None:
    frames = [Image.fromarray(RANDOM.integers(0, 256, (4, 6, 3)).astype(np.uint8)) for _ in range(3)]
    for name in ("a.png", "a.tif", "a.webp", "a.gif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        refused(tmp_path / name, UnreadableData, "one image in a file; got 3")
    frames[0].save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=frames[1:])
    x, said = only(tmp_path / "a.jpg")  # a telephone adds maps of depth behind the photograph
    with Image.open(tmp_path / "a.jpg") as image:
        assert x.tolist() == np.asarray(image).transpose(2, 0, 1).tolist()
    assert said == "with several pictures, of which the first"


def test_bombs_are_refused_by_their_stated_size(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = tmp_path / "a.png"
    for side in (8193, 9500, 60_000, 2**31 - 1):
        path.write_bytes(png(side, side, 1, 0, b""))
        refused(
            path, UnreadableData, rf"at most {MOST_PIXELS} pixels; .*states .*{side * side if side < 10**5 else ''}"
        )
    (tmp_path / "b.tif").write_bytes(
        struct.pack("<2sHIH", b"II", 42, 8, 3)
        + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in ((256, 70_000), (257, 70_000), (273, 8)))
        + bytes(4)
    )
    refused(tmp_path / "b.tif", UnreadableData, "states")
    (tmp_path / "c.gif").write_bytes(b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b"\x3b")
    refused(tmp_path / "c.gif", UnreadableData, "c.gif")
    (tmp_path / "d.ppm").write_bytes(b"P6 999999 999999 255\n")
    refused(tmp_path / "d.ppm", UnreadableData, "states")
    (tmp_path / "e.ppm").write_bytes(b"P6 0 0 255\n")
    refused(tmp_path / "e.ppm", UnreadableData, "e.ppm")
    assert not recwarn.list


def test_postscript_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would call Ghostscript by the name `gs`; one that leaves a mark stands first on the path."""
    mark = tmp_path / "mark"
    (tmp_path / "bin").mkdir()
    for name in ("gs", "gswin32c", "gswin64c"):
        fake = tmp_path / "bin" / name
        fake.write_text(f"#!/bin/sh\ntouch {mark}\n")
        fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    eps = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n%%EndComments\n%%Page: 1 1\nshowpage\n%%EOF\n"
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.jpg", "c.gif"):
        (tmp_path / "photos" / name).write_text(eps)
        refused(tmp_path / "photos" / name, UnreadableData, "which is a PostScript document")
    with pytest.raises(UnreadableData, match="PostScript"):
        open_dataset(tmp_path / "photos")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"%PDF-1.7 and so on", "a PDF document"),
        (b"PK\x03\x04" + bytes(30), "a ZIP archive"),
        (b"\0\0\0\x18ftypheic" + bytes(9), "a HEIC image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"RIFF\4\0\0\0WAVE", "a WAV recording"),
        (b"just words", "text"),
        (bytes(range(200, 256)), "damaged, or in another format"),
        (b"\0" * 100, "begins with zeros alone. Copy"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
    ],
)
def test_what_is_called_an_image_and_is_none(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    refused(tmp_path / "a.png", UnreadableData, words)


def tiff(*entries: tuple[int, int, int, int], body: bytes = b"") -> bytes:
    """Entries (tag, kind, count, value) of one image, and what follows from byte 110 on if there are eight of them."""
    start = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    return start + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4) + body


@pytest.mark.parametrize(
    "content",
    [
        png(2, 1, 3, 0, b"\0\0\0"),  # no such depth
        png(2, 1, 8, 5, b"\0\0\0"),  # no such kind
        png(0, 6, 8, 0, b"\0"),
        png(2, 1, 8, 3, b"\0\0\1"),  # no palette
        png(2, 1, 8, 0, b"\0\0\0", chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**7)))),
        png(2, 1, 8, 0, b"\0\0\0", chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(10**7)))),
        png(2, 1, 8, 0, b"\0\0\0")[:40] + b"\xff\xff\xff" + png(2, 1, 8, 0, b"\0\0\0")[43:],  # a wrong checksum
        png(8000, 8000, 1, 0, b"\0" * 9),
        b"GIF89a" + struct.pack("<HHBBB", 6, 6, 0, 0, 0) + b"\x3b",
        b"GIF89a\6\0\6\0\x80\0\0" + bytes(6) + b",\0\0\0\0\6\0\6\0\0\x0c\xff" + b"\xff" * 255 + b"\0\x3b",
        b"BM" + struct.pack("<IHHIIiiHHIIIIII", 58, 0, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, *[0] * 6),
        b"BM" + struct.pack("<IHHIIiiHHIIIIII", 58, 0, 0, 54, 40, 6, 6, 1, 8, 1, *[0] * 5) + b"\xff" * 50,
        b"P6 six six 255\n",
        b"P5 -3 3 255\n" + bytes(9),
        b"P5 3 3 0\n" + bytes(9),
        b"P2 2 1 7\n9 3\n",
        b"RIFF\x20\0\0\0WEBPVP8 " + bytes(30),
        tiff((258, 3, 1, 8)),
        tiff((256, 4, 1, 2), (257, 4, 1, 1), (258, 3, 1, 8), (277, 3, 1, 60000), (262, 3, 1, 2), (273, 4, 1, 9)),
        *(
            tiff(
                (256, 4, 1, 2), (257, 4, 1, 1), (258, 3, 1, 8), (259, 3, 1, packing), (262, 3, 1, 1), (273, 4, 1, 110),
                (278, 4, 1, 1), (279, 4, 1, 8), body=b"\xff" * 30,
            )
            for packing in (5, 7, 8, 34712)
        ),
    ],
)  # fmt: skip
def test_damage_is_one_line_of_ours(
    content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    (tmp_path / "a.png").write_bytes(content)
    refused(tmp_path / "a.png", UnreadableData, "a.png")
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_an_image_with_another_ending(tmp_path: Path) -> None:
    for form in ("PNG", "BMP", "TIFF", "PPM"):
        Image.fromarray(COLOUR).save(tmp_path / "a.jpg", format=form)
        assert only(tmp_path / "a.jpg")[0].tolist() == COLOUR.transpose(2, 0, 1).tolist()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp", ".gif", ".ppm"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_truncated_images(
    suffix: str, share: float, tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RANDOM.integers(0, 256, (40, 40, 3)).astype(np.uint8)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: max(3, int(len(whole) * share))])
    refused(path, UnreadableData, path.name)
    assert capfd.readouterr() == ("", "")  # libraries in C print by themselves
    assert not recwarn.list


def test_folders_as_they_lie_about(tmp_path: Path) -> None:
    """Hidden files, those of file managers, links and depth."""
    folder = tmp_path / "photos"
    deep = folder / "/".join("abcdefgh")
    deep.mkdir(parents=True)
    for place in (folder / "one.png", deep / "two.PNG", tmp_path / "elsewhere.png"):
        Image.fromarray(GREY).save(place)
    for name in (".DS_Store", "._one.png", "Thumbs.db", "desktop.ini", "notes.txt"):
        (folder / name).write_bytes(b"\0\1")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.png").write_bytes(b"")
    (folder / "linked.png").symlink_to(tmp_path / "elsewhere.png")
    (folder / "back").symlink_to(folder)
    (deep / "up").symlink_to("../..")
    (folder / "p.txt").symlink_to("q.txt")
    (folder / "q.txt").symlink_to("p.txt")
    (tmp_path / "more").mkdir()
    Image.fromarray(GREY).save(tmp_path / "more" / "three.png")
    (folder / "linked folder").symlink_to(tmp_path / "more")
    names = [str(path.relative_to(folder)) for path in files_in(folder)]
    assert names == ["a/b/c/d/e/f/g/h/two.PNG", "linked folder/three.png", "linked.png", "one.png"]
    assert open_source(folder).read().rows == 4


def test_names_of_any_bytes(tmp_path: Path) -> None:
    for name in (b"caf\xe9.png", b"new\nline.png", "\u202eabc.png".encode(), b" .png", b"-rf.png", b"a*?.png"):
        Image.fromarray(GREY).save(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
    assert open_source(tmp_path).read().rows == 6


def test_what_is_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    os.mkfifo(folder / "a.png")
    refused(folder / "a.png", UnreadableData, "is a pipe")
    with pytest.raises(UnreadableData, match=r"a\.png, which is a pipe"):
        open_source(folder)
    (folder / "a.png").unlink()
    (folder / "a.png").symlink_to("/dev/zero")
    refused(folder / "a.png", UnreadableData, "is a device")
    with pytest.raises(UnreadableData, match=r"a\.png, which is a device"):
        open_source(folder)
    (folder / "a.png").unlink()
    (folder / "a.png").symlink_to("a.png")
    refused(folder / "a.png", UnreadableData, "symbolic links")
    (folder / "a.png").unlink()
    (folder / "a.png").symlink_to("nowhere.png")
    with pytest.raises(DataError, match=r"link to nowhere\.png, which is not there"):
        open_source(folder)
    (folder / "a.png").unlink()
    (folder / "a.png").mkdir()
    with pytest.raises(EmptyData, match="holds no file"):
        open_source(folder)
    with pytest.raises(UnreadableData, match="the whole file system"):
        open_source("/")


def test_a_folder_that_may_not_be_read_is_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    Image.fromarray(GREY).save(tmp_path / "a.png")
    listed = os.scandir

    def scandir(place: str) -> object:
        if str(place).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return listed(place)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UnreadableData, match="closed: Permission denied"):
        open_source(tmp_path)


def test_more_files_than_anyone_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loglik.data.formats.folders.MOST_FILES", 3)
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(b"")
    with pytest.raises(UnreadableData, match="at most 3 files"):
        open_source(tmp_path)


def test_images_beyond_the_memory_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(4):
        Image.fromarray(GREY).save(tmp_path / f"{i}.png")
    monkeypatch.setattr("loglik.data.source.VALUES_AT_ONCE", 24)
    monkeypatch.setattr("loglik.arguments.memory.memory_at_hand", lambda: 24 * 4 - 1)
    with pytest.raises(MemoryError, match=r"95 bytes.*96 bytes"):
        open_source(tmp_path).read()
    monkeypatch.setattr("loglik.arguments.memory.memory_at_hand", lambda: 24 * 4)
    assert torch.equal(open_source(tmp_path).read().x[3, 0], torch.from_numpy(GREY))


def test_a_stale_mode_of_a_file_is_no_trap(tmp_path: Path) -> None:
    """A file that this user may not read; root may read all."""
    path = tmp_path / "a.png"
    Image.fromarray(GREY).save(path)
    path.chmod(0)
    if os.access(path, os.R_OK):
        assert stat.S_IMODE(path.stat().st_mode) == 0
        assert only(path)[0].tolist() == [GREY.tolist()]
    else:
        refused(path, UnreadableData, "may not read")
