"""The true format of a file, by its first bytes, whatever its name; and what to do with each."""

import zipfile
from pathlib import Path

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh91AY&SY", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"PAR1\x15", "Parquet"),
    (b"ARROW1\0\0", "Arrow (Feather)"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF\r\n", "HDF5"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word document"),
    (b"%PDF-", "a PDF document"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"8BPS", "a Photoshop document"),
    (b"%!PS", "a PostScript document"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript document (EPS)"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"OggS", "an Ogg recording"),
    (b"ID3\2", "an MP3 recording"),
    (b"ID3\3", "an MP3 recording"),
    (b"ID3\4", "an MP3 recording"),
    (b"\xff\xfb", "an MP3 recording"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM film"),
    (b"Rar!\x1a", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"{\\rtf", "an RTF document"),
    (b"fLaC\0", "a FLAC recording"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
)
IN_RIFF = {b"WAVE": "a WAV recording", b"WEBP": "a WebP image", b"AVI ": "a film (AVI)"}
IN_MP4 = {b"heic": "a HEIC image", b"heix": "a HEIC image", b"mif1": "a HEIF image", b"avif": "an AVIF image"}
PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body")
INSIDE_ZIP = {
    "xl/workbook.xml": "an Excel workbook",
    "content.xml": "an OpenDocument file",
    "word/document.xml": "a Word document",
}
TEXT, EMPTY, ZEROS = "text", "an empty file", "a file that begins with zeros alone"
OURS = {  # what we read, and how the names of such files end
    TEXT: ".csv, if it is a table, or .txt",
    "Parquet": ".parquet",
    "a NumPy array": ".npy",
    "a NumPy archive (NPZ)": ".npz",
    "a PNG image": ".png",
    "a JPEG image": ".jpg",
    "a GIF image": ".gif",
    "a TIFF image": ".tif",
    "a WebP image": ".webp",
    "a WAV recording": ".wav",
    "a FLAC recording": ".flac",
}
PACKED = ("gzip", "bzip2", "xz", "zstd", "a 7z archive", "a ZIP archive", "a RAR archive")
CONTROLS = bytes({*range(32), 127} - {*b"\t\n\v\f\r\x1a\x1b"})  # the last two stand in texts of DOS and terminals
LOOKED_AT = 1 << 16


def true_format(path: str) -> str:
    """The format, in words; empty if the first bytes are not those of a known one."""
    with open(path, "rb") as file:
        start = file.read(512)
    for magic, words in SIGNATURES:
        if start.startswith(magic):
            return _archive(path) if magic == b"PK\x03\x04" else words
    if start[:4] in (b"RIFF", b"RF64"):
        return IN_RIFF.get(start[8:12], "a RIFF file")
    if start[4:8] == b"ftyp":
        return IN_MP4.get(start[8:12], "a film or recording (MP4)")
    begin = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in begin:
        return "an SVG drawing"
    if begin.startswith(PAGES):
        return "XML" if begin.startswith(b"<?xml") else "a web page (HTML)"
    if begin.startswith((b'{"', b"[{", b"[[", b"{\n", b"{\r\n")):
        return "JSON"
    return ""


def described(path: str) -> str:
    """The true format, or whether the file is text, empty, or zeros."""
    if kind := true_format(path):
        return kind
    with open(path, "rb") as file:
        start = file.read(512)
    if not start:
        return EMPTY
    if not any(start):
        return ZEROS
    return TEXT if not start.translate(None, bytes(range(32, 127)) + b"\t\r\n") else ""


def remedy(kind: str, otherwise: str) -> str:
    """What to do with a file whose name promises another format than the one described."""
    if kind in PACKED:
        return "Unpack it first."
    if kind == EMPTY:
        return "Leave it out, or save it again."
    if kind == ZEROS:
        return "Copy or download it again."
    return f"Let its name end in {OURS[kind]}." if kind in OURS else otherwise


def control_characters(content: bytes) -> tuple[int, int]:
    """How many of the first bytes never stand in a text, and how many were read; a file with over 1 % is binary."""
    start = content[:LOOKED_AT]
    return len(start) - len(start.translate(None, CONTROLS)), len(start)


def _archive(path: str) -> str:
    """What a ZIP archive holds, as office programs and numpy write it."""
    try:
        with zipfile.ZipFile(Path(path)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "a ZIP archive"
    known = [words for member, words in INSIDE_ZIP.items() if member in names]
    arrays = names and all(name.endswith(".npy") for name in names)
    return known[0] if known else "a NumPy archive (NPZ)" if arrays else "a ZIP archive"
