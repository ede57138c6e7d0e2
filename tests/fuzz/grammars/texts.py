"""Texts: scripts, encodings, line ends, lengths about a window, characters that a run has not seen, and damage."""

from attempt import Attempt
from hypothesis import strategies as st

from grammars import tiny
from grammars.hostile import damaged, mostly, rarely, used, words

PIECES = (
    "the cat sat on the mat. ", "a", "\u0431\u0443\u043a\u0432\u044b ", "\u65e5\u672c\u8a9e",
    "\U0001f600\u200d\U0001f525", "e\u0301", "\n", "\r\n", "\x00", "\x1b[31m", "\ufffd", "\ufeff", "\u2028", "\t\t",
    "\x0c", "0123456789", "\u202e", "<b>&amp;</b>",
)  # fmt: skip


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    pieces = draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5))
    length = draw(mostly(2000, 1000, 900, 400, 17, 16, 15, 1, 0, share=3))
    text = ("".join(pieces) * 2000)[:length]
    encoding = draw(mostly("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "utf-32"))
    content = text.encode(str(encoding), "replace")
    content = draw(damaged(content)) if draw(rarely(8)) else content
    window = draw(mostly("16", "1", "2", "0", "-1", "128", "100000", "1" + "0" * 30))
    more = draw(mostly(("--window", window), (), ("--window", window, "--space", "category:9"), ("--context", "label")))
    name = str(draw(mostly("t.txt", "t.TXT", "\x1b[31m.txt", "US$.txt", "\u65e5\u672c.txt")))
    if draw(rarely(4)):
        given = draw(st.one_of(words, st.just(text[:40].replace("\x00", ""))))
        run = tiny.run("writer")
        return Attempt(("sample", "run", "-n", "2", "--given", given, *draw(_how())), run)
    return draw(used({name: content}, name, ("histogram", "uniform"), tiny.run("text"), more))


@st.composite
def _how(draw: st.DrawFn) -> tuple[str, ...]:
    option = draw(st.sampled_from(("--temperature", "--top-k", "--length", "--context")))
    return draw(mostly((), (option, draw(words)), (option, draw(st.sampled_from(("1", "2", "40"))))))
