"""Runs that were fitted in a moment, made once in a session, as files."""

from functools import cache

import numpy as np
from attempt import Attempt
from law import files_made

SIDE = 4  # of images
WINDOW = 16  # of texts and recordings
TABLE = "a,b\n" + "".join(f"{i % 7}.5,{i % 3}.25\n" for i in range(60))
TEXT = "the cat sat on the mat and thought of the sea. " * 20


def png(pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()


def wav(samples: "np.ndarray[tuple[int, ...], np.dtype[np.int16]]", rate: int = 8000) -> bytes:
    import io

    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples, rate, format="WAV", subtype="PCM_16")
    return out.getvalue()


def pictures(count: int = 24) -> dict[str, bytes]:
    random = np.random.default_rng(0)
    return {f"i/{k:02d}.png": png(random.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)) for k in range(count)}


def sounds() -> dict[str, bytes]:
    return {"w.wav": wav((8000 * np.sin(np.arange(1200) / 9)).astype(np.int16))}


@cache
def run(kind: str) -> dict[str, bytes]:
    """The files of a run in the folder `run`: a key of the table below."""
    files: dict[str, bytes]
    files, words = {
        "table": ({"t.csv": TABLE.encode()}, ("t.csv", "--model", "gaussian")),
        "mixture": ({"t.csv": TABLE.encode()}, ("t.csv", "--model", "gmm", "--set", "components=2")),
        "net": ({"t.csv": TABLE.encode()}, ("t.csv", "--model", "made", "--set", "hidden=4", "--steps", "2")),
        "text": ({"t.txt": TEXT.encode()}, ("t.txt", "--window", "16", "--model", "histogram")),
        "writer": ({"t.txt": TEXT.encode()}, ("t.txt", "--window", "16", "--model", "char-rnn", "--steps", "2")),
        "sound": (sounds(), ("w.wav", "--window", "16", "--model", "gaussian")),
        "images": (pictures(), ("i", "--model", "histogram")),
    }[kind]
    return files_made(Attempt(("fit", *words, "-o", "run"), files, makes=("run",)), "run")
