"""Events and scores as files that other programs read."""

import io
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loglik.contract import Model
from loglik.data import Reading
from loglik.data.formats.text import decode
from loglik.errors import ContextError, UsageError
from loglik.output.writing import write_all, write_atomic
from loglik.spaces import Integer, Space

PLAIN_NAME = re.compile(r"\w([\w .()/%^*+:-]*[\w)%])?")


def to_csv(x: Tensor, columns: Sequence[str] | None = None) -> str:
    """(N, *event) as CSV, one event in a row, with a header, whose names are quoted where they must be."""
    flat = x.reshape(len(x), -1)
    names = list(columns) if columns and len(columns) == flat.shape[1] else [f"x{i}" for i in range(flat.shape[1])]
    # `repr` is the shortest text that reads back as the same number.
    return "\n".join([",".join(map(_quoted, names)), *(",".join(map(repr, row)) for row in flat.tolist()), ""])


def ending(path: Path) -> str:
    """The ending of a file's name in lower case: a.PNG is a picture too."""
    return path.suffix.lower()


def _quoted(name: str) -> str:
    plain = PLAIN_NAME.fullmatch(name) is not None
    return name if plain else '"' + name.replace('"', '""') + '"'


def write_samples(
    path: Path, x: Tensor, space: Space, columns: Sequence[str] | None = None, reading: Reading | None = None
) -> None:
    """Samples as .npy, .csv, a .png grid of images, or, one file each, as .txt of characters or .wav of sound.

    Raises:
        UsageError: another ending, or one that does not suit the events.
    """
    known = reading or Reading()
    check_samples_file(path, space, known)
    writers: dict[str, Callable[[], list[bytes]]] = {
        ".npy": lambda: [npy(x)],
        ".csv": lambda: [to_csv(x, columns).encode()],
        ".png": lambda: [png(x, space)],
        ".txt": lambda: [text.encode() for text in texts(x, known)],
        ".wav": lambda: wavs(x, space, known),
    }
    paths = sample_files(path, len(x))
    write_all(dict(zip(paths, writers[ending(path)](), strict=True)))


def sample_files(path: Path, n: int) -> list[Path]:
    """The files that `write_samples` makes of n samples: one, or one for each text or sound.

    Raises:
        UsageError: another ending.
    """
    if ending(path) not in (".npy", ".csv", ".png", ".txt", ".wav"):
        raise UsageError(f"Expected a .npy, .csv, .png, .txt or .wav file; got {path}. Let its name end so.")
    if n == 1 or ending(path) not in (".txt", ".wav"):
        return [path]
    return [path.with_stem(f"{path.stem}-{number}") for number in range(n)]


def check_samples_file(path: Path, space: Space, reading: Reading) -> None:
    """Check, before samples are drawn, that a file can hold them.

    Raises:
        UsageError: an ending that does not suit events of this space.
    """
    channels = space.shape[0] if len(space.shape) == 3 else 1
    if ending(path) == ".png" and (len(space.shape) not in (2, 3) or channels not in (1, 3)):
        raise UsageError(
            f"Expected images of 1 or 3 channels for a .png; got events of shape {space.shape}. Write .csv (-o "
            f"{path.with_suffix('.csv')}) or .npy."
        )
    if ending(path) == ".txt" and reading.vocabulary is None:
        raise UsageError("Expected a run that was fitted to text, for .txt files; got another. Write .csv or .npy.")
    if ending(path) == ".wav" and (reading.sample_rate is None or space not in _subtypes(space)):
        raise UsageError("Expected a run that was fitted to sound, for .wav files; got another. Write .npy.")


def spoken(x: Tensor, columns: Sequence[str] | None = None, reading: Reading | None = None) -> str:
    """Samples as a person reads them on a terminal: texts with a line between, or else a table in CSV."""
    if reading is None or reading.vocabulary is None:
        return to_csv(x, columns).rstrip("\n")
    return f"\n{'-' * 40}\n".join(texts(x, reading))


def texts(x: Tensor, reading: Reading) -> list[str]:
    assert reading.vocabulary is not None
    return decode(x, reading.vocabulary)


def wavs(x: Tensor, space: Space, reading: Reading) -> list[bytes]:
    """Windows (N, T) as WAV files of 16 bits, or 8 where there are 256 levels."""
    import soundfile

    subtype = _subtypes(space)[space]
    samples = (x - 32768 if subtype == "PCM_16" else (x - 128) * 256).numpy().astype(np.int16)
    files = []
    for sample in samples:
        out = io.BytesIO()
        soundfile.write(out, sample.reshape(-1), reading.sample_rate, format="WAV", subtype=subtype)
        files.append(out.getvalue())
    return files


def _subtypes(space: Space) -> dict[Space, str]:
    """The spaces of recordings of this length, and what libsndfile calls their samples."""
    return {Integer(space.shape, 65536): "PCM_16", Integer(space.shape, 256): "PCM_U8"}


def write_rows(path: Path, values: Tensor) -> None:
    """log p of every row, in nats, as .csv or .npy."""
    check_rows_file(path)
    write_atomic(path, npy(values) if ending(path) == ".npy" else to_csv(values[:, None], ["log_likelihood"]).encode())


def check_rows_file(path: Path) -> None:
    """
    Raises:
        UsageError: another ending than those that `write_rows` knows.
    """
    if ending(path) not in (".csv", ".npy"):
        raise UsageError(f"Expected a .csv or .npy file; got {path}. Let its name end so.")


def npy(x: Tensor) -> bytes:
    out = io.BytesIO()
    np.save(out, x.numpy())
    return out.getvalue()


def png(x: Tensor, space: Space) -> bytes:
    """Images (N, H, W), (N, 1, H, W) or (N, 3, H, W) as a nearly square grid.

    Levels are shown from black, 0, to white, the highest of the space; reals over the range of all samples.
    """
    from matplotlib.image import imsave

    images = x.double().reshape(len(x), -1, *x.shape[-2:]).permute(0, 2, 3, 1)  # (N, H, W, C)
    low, high = space.limits or torch.aminmax(images)
    images = (images - low) / max(float(high - low), 1e-12)
    n, height, width, channels = images.shape
    across = math.ceil(math.sqrt(n))
    down = math.ceil(n / across)
    grid = torch.ones(down * (height + 1) - 1, across * (width + 1) - 1, channels)
    for i, image in enumerate(images):
        top, left = i // across * (height + 1), i % across * (width + 1)
        grid[top : top + height, left : left + width] = image
    out = io.BytesIO()
    imsave(out, grid.expand(-1, -1, 3).repeat_interleave(4, 0).repeat_interleave(4, 1).numpy(), format="png")
    return out.getvalue()


def parse_context(model: Model, words: str | None) -> Tensor | None:
    """ "3" or "0.5,1.2" as one context row for a model of p(x|c)."""
    if words is None:
        return None
    if model.context is None:
        raise ContextError("This model takes no context; got one. Leave --context out.")
    try:
        values = torch.tensor([float(word) for word in words.split(",")])
    except ValueError:
        raise ContextError(f"Expected numbers separated by commas as the context; got {words!r}.") from None
    if values.numel() != model.context.dims:
        raise ContextError(f"Expected a context of {model.context.dims} values; got {values.numel()}.")
    context = values.reshape(1, *model.context.shape)
    model.context.events(context)
    return context
