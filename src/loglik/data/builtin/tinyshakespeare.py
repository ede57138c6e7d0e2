"""A. Karpathy's tiny Shakespeare (2015, char-rnn), plays of 1.1 MB: the text small language models are tried on."""

from loglik.data.builtin.entry import Builtin
from loglik.data.builtin.places import find
from loglik.data.formats.text import SHARED, WINDOW, encode, vocabulary_of
from loglik.data.formats.text_file import read_text
from loglik.data.source import Dataset, Memory
from loglik.data.windows import windows
from loglik.errors import EmptyData
from loglik.spaces import Category


def load_tinyshakespeare(window: int | None = None) -> Dataset:
    """Windows of T characters, 128 unless stated, 85.5 / 4.5 / 10 %: the last 10 % test, as nanoGPT validates on them.

    The part to validate on keeps a window's distance from the others.
    """
    (path,) = find(TINYSHAKESPEARE.files)
    text, T = read_text(path).characters, window or WINDOW
    kept = len(text) * 9 // 10
    begin = kept * 95 // 100
    parts = {"train": slice(0, begin), "valid": slice(begin + T, kept - T), "test": slice(kept, len(text))}
    how = (
        "in order: the last 10 % to test (what nanoGPT validates on); of the first 90 %, the last 5 % to validate, but "
        "for a window at either end"
    )
    if min(begin, kept - begin - 2 * T) < T:
        raise EmptyData(f"Expected a window of {T} characters in each part of {path}; got a shorter one.")
    return _in_parts(TINYSHAKESPEARE.name, text, parts, T, how)


def _in_parts(name: str, text: str, parts: dict[str, slice], T: int, how: str) -> Dataset:
    vocabulary = vocabulary_of(text[parts["train"]])
    space = Category((T,), len(vocabulary))
    part: dict[str, Memory] = {}
    left, unseen = {}, {}
    for key, where in parts.items():
        levels, unseen[key] = encode(text[where], vocabulary, name)
        part[key] = Memory(space, windows(levels, T), stream=True, vocabulary=vocabulary)
        part[key].remark = SHARED.format(unseen[key]) if unseen[key] else ""
        left[key] = len(levels) % T
    split = {
        "how": how,
        "window": T,
        **{key: memory.rows for key, memory in part.items()},
        "characters that fill no window": left,
        "characters that the training part lacks": unseen,
    }
    return Dataset(name, part["train"], part["valid"], part["test"], split)


TINYSHAKESPEARE = Builtin(
    "tinyshakespeare",
    load_tinyshakespeare,
    "Category(128,) with 66 levels",
    "plays of Shakespeare, 1.1 MB of text",
    files=("tinyshakespeare/input.txt",),
    windowed=True,
)
