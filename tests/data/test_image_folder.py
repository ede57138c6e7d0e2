"""Folders of images: every kind of pixel as it is stored, and what would have to be changed is refused."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from loglik.data import Reading, as_source, open_dataset, open_source
from loglik.data.formats.images.file import read_image
from loglik.errors import (
    ContextError,
    DataError,
    DataNotFound,
    EmptyData,
    OutsideSpace,
    ShapeMismatch,
    UnreadableData,
    UsageError,
)
from loglik.spaces import Category, Integer, Real

Pixels = np.ndarray


def pixels(*shape: int, high: int = 256, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, high, shape).astype(np.uint8 if high <= 256 else np.uint16)


def write(path: Path, content: Pixels, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(content)
    (image.convert(mode) if mode else image).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten colour images, 5 wide and 4 high, in two subfolders, beside a file that is none."""
    for i in range(10):
        write(tmp_path / "photos" / ("dog" if i % 2 else "cat") / f"{i}.png", pixels(4, 5, 3, seed=i))
    (tmp_path / "photos" / ".hidden.png").write_bytes(b"")
    (tmp_path / "photos" / "notes.md").write_text("")
    return tmp_path / "photos"


def test_colour_images_channels_first(folder: Path) -> None:
    source = open_source(folder)
    assert source.space == Integer((3, 4, 5), 256)
    assert source.rows == 10
    x = torch.cat([x for x, _ in source.batches(3)])
    assert x.dtype == torch.uint8
    assert x[5].tolist() == pixels(4, 5, 3, seed=1).transpose(2, 0, 1).tolist()  # cat/0 2 4 6 8, dog/1 ...
    data = open_dataset(folder)
    assert [part.rows for part in (data.train, data.valid, data.test)] == [7, 1, 2]
    assert data.name == "photos"
    assert as_source(folder, True).context_space == Category((), 2)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".pgm"])
def test_grey_images_of_every_lossless_format(suffix: str, tmp_path: Path) -> None:
    content = pixels(6, 5)
    source = open_source(write(tmp_path / f"a{suffix}", content)).read()
    assert source.space == Integer((1, 6, 5), 256)
    assert source.x[0, 0].tolist() == content.tolist()


def test_black_and_white_palettes_opaque_alpha_and_16_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    header, image = read_image(write(path, pixels(3, 3, high=2) * 255, "1"))
    assert (header.top, image.tolist()) == (1, [pixels(3, 3, high=2).tolist()])
    assert open_source(path).space == Integer((1, 3, 3), 2)
    few = pixels(4, 4, 3, high=2) * 255
    assert read_image(write(path, few, "P"))[1].permute(1, 2, 0).tolist() == few.tolist()
    opaque = np.concatenate([few, np.full((4, 4, 1), 255, np.uint8)], axis=2)
    assert read_image(write(path, opaque))[1].permute(1, 2, 0).tolist() == few.tolist()
    deep = pixels(3, 3, high=65536)
    source = open_source(write(path, deep)).read()
    assert source.space == Integer((1, 3, 3), 65536)
    assert source.x.dtype == torch.int32
    assert source.x[0, 0].tolist() == deep.tolist()


def test_jpeg_is_decoded(tmp_path: Path) -> None:
    flat = np.full((16, 16, 3), (77, 140, 30), np.uint8)
    source = open_source(write(tmp_path / "a.jpg", flat)).read()
    assert source.space == Integer((3, 16, 16), 256)
    assert int((source.x[0].int() - torch.tensor([77, 140, 30])[:, None, None]).abs().max()) <= 2


def test_subfolders_are_classes_and_keep_their_numbers(folder: Path) -> None:
    data = open_dataset(folder, context=True)
    assert data.context_space == Category((), 2)
    assert data.split["labels"] == ["cat", "dog"]
    reading = Reading.of(data)
    for path in (folder / "cat").iterdir():
        path.unlink()
    source = open_source(folder, context=True, space=data.space, reading=reading).read()
    assert source.context is not None
    assert source.context.tolist() == [1] * 5
    write(folder / "loose.png", pixels(4, 5, 3))
    with pytest.raises(ContextError, match=r"loose\.png lies in none"):
        open_dataset(folder, context=True)
    with pytest.raises(ContextError, match="subfolders: expected context=True"):
        open_dataset(folder, context=("a",))


def test_a_stated_space(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", pixels(8, 8, high=17))
    assert open_source(path, space=Integer((1, 8, 8), 17)).read().rows == 1
    assert open_source(path, space="real").read().space == Real((1, 8, 8))
    write(path, pixels(8, 8))
    with pytest.raises(OutsideSpace, match=r"0\.\.16; got \d+ at row 1, position .*a\.png"):
        open_source(path, space=Integer((1, 8, 8), 17)).read()
    with pytest.raises(ShapeMismatch, match=r"\(1, 9, 9\); got .*\(1, 8, 8\)"):
        open_source(path, space=Integer((1, 9, 9), 17))
    write(path, pixels(8, 8, high=2) * 255, "1")
    white = open_source(path, space=Integer((1, 8, 8), 256)).read()
    assert white.x[0, 0].tolist() == (pixels(8, 8, high=2) * 255).tolist()
    with pytest.raises(OutsideSpace, match="300 levels; got 8 x 8 grey, of 256"):
        open_source(write(path, pixels(8, 8)), space=Integer((1, 8, 8), 300))


def test_the_first_two_that_differ_are_named(folder: Path) -> None:
    write(folder / "dog" / "3.png", pixels(5, 4, 3))
    write(folder / "dog" / "5.png", pixels(9, 9, 3))
    with pytest.raises(ShapeMismatch, match=r"5 x 4 colour in .*cat/0\.png and 4 x 5 colour in .*dog/3\.png"):
        open_dataset(folder)
    write(folder / "dog" / "3.png", pixels(4, 5))
    with pytest.raises(ShapeMismatch, match=r"5 x 4 colour in .*cat/0\.png and 9 x 9 colour in .*dog/5\.png"):
        open_dataset(folder)


def refused(path: Path, error: type[DataError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        open_source(path).read()
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def png_of_16_bit_colours() -> bytes:
    """One pixel of three 16-bit values, as the format lays it out."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(7))) + chunk(b"IEND", b"")


def test_what_would_have_to_be_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    refused(write(path, pixels(4, 4, 4)), UnreadableData, "opaque.*flatten")
    refused(write(tmp_path / "a.tif", pixels(4, 4, 4), "CMYK"), UnreadableData, "CMYK")
    refused(write(tmp_path / "b.tif", pixels(4, 4), "F"), UnreadableData, r"fractions \(F\)")
    path.write_bytes(png_of_16_bit_colours())
    with Image.open(path) as image:
        assert np.asarray(image).dtype == np.uint8  # Pillow gives the upper halves
    refused(path, UnreadableData, "8 bits; got 16")
    frames = [Image.fromarray(pixels(4, 4, seed=i)) for i in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    refused(tmp_path / "a.gif", UnreadableData, "one image in a file; got 3")


def test_damaged_images(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", pixels(40, 40, 3))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, UnreadableData, "truncated.. Copy or download it again, or leave it out.")
    path.write_bytes(b"not an image")
    refused(path, UnreadableData, "which is text")
    path.write_bytes(b"")
    refused(path, EmptyData, "empty")


def test_folders_without_images(tmp_path: Path) -> None:
    with pytest.raises(EmptyData, match="no file"):
        open_dataset(tmp_path)
    (tmp_path / "table.csv").write_text("a\n1\n")
    with pytest.raises(UnreadableData, match=r"holds none, but table\.csv"):
        open_dataset(tmp_path)
    with pytest.raises(DataNotFound):
        open_dataset(tmp_path / "nowhere")
    write(tmp_path / "a.png", pixels(2, 2))
    with pytest.raises(EmptyData, match="at least 3 rows"):
        open_dataset(tmp_path)
    with pytest.raises(UsageError, match="Windows are cut from"):
        open_dataset(tmp_path, window=3)


def test_crops_of_photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGLIK_DATA", str(tmp_path))
    for part, count in (("train", 22), ("test", 2)):
        for i in range(count):
            ramp = np.broadcast_to(np.arange(24, dtype=np.uint8)[None, :, None] * 5 + i, (16, 24, 3))
            write(tmp_path / "BSDS300" / "images" / part / f"{i}.jpg", np.ascontiguousarray(ramp))
    data, again = open_dataset("bsds300", window=8), open_dataset("bsds300", window=8)
    assert data.space == Integer((1, 8, 8), 256)
    assert [part.rows for part in (data.train, data.valid, data.test)] == [1000, 10_000, 200]
    assert data.train.fingerprint == again.train.fingerprint
    photographs = [torch.unique(part.groups, return_counts=True)[1].tolist() for part in (data.train, data.test)]
    assert photographs == [[500] * 2, [100] * 2]
    slopes = data.test.x.int().diff(dim=-1).double().mean()
    assert abs(float(slopes) - 5.0) < 0.5  # crops are upright pieces of the ramp
    assert open_dataset("bsds300-colour", window=4).space == Integer((3, 4, 4), 256)
    with pytest.raises(UsageError, match="at most 16"):
        open_dataset("bsds300", window=17)
    patches = open_dataset("bsds300-patches")
    assert patches.space == Real((63,))
    assert [part.rows for part in (patches.train, patches.valid, patches.test)] == [1000, 10_000, 400]
    assert patches.train.fingerprint == open_dataset("bsds300-patches").train.fingerprint
    rows = torch.cat([patches.test.x, -patches.test.x.sum(1, keepdim=True)], 1).reshape(-1, 8, 8)  # of mean 0
    assert abs(float(rows.diff(dim=-1).mean()) * 256 - 5.0) < 0.1


def test_frey_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGLIK_DATA", str(tmp_path))
    (tmp_path / "freyfaces").mkdir()
    np.save(tmp_path / "freyfaces" / "freyfaces.npy", pixels(500, 28, 20))
    data = open_dataset("freyfaces")
    assert data.space == Integer((1, 28, 20), 256)
    assert (data.train.rows, data.valid.rows, data.test.rows) == (350, 50, 100)
    assert all(len(torch.unique(part.groups)) * 50 == part.rows for part in (data.train, data.valid, data.test))
    np.save(tmp_path / "freyfaces" / "freyfaces.npy", pixels(10, 20, 28))
    with pytest.raises(UnreadableData, match="28, 20"):
        open_dataset("freyfaces")
