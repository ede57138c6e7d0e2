"""What any grammar may draw from: strange names and words, damage to bytes, and what to do with a file."""

from collections.abc import Sequence
from typing import Any

from attempt import Attempt, Step
from hypothesis import strategies as st

NAMES = (
    "a", "x1", "US$", "$x^2$", "a, b", 'weight "kg"', "line\nbreak", "tab\there", "", " ", "[bold]b[/bold]",
    "\x1b[31mred", "\x00", "\u202eabc", "\u65e5\u672c", "\U0001f600", "_", "{0}", "%s", "<script>alert(1)</script>",
    "&amp;", "label", "nan", "1", "-1", "None", "a" * 300, "__class__", "..", "x/y", "\\frac", "\ufeffa",
)  # fmt: skip
WORDS = (
    "", " ", "0", "1", "2", "-1", "-2", "1.5", "1e3", "1e308", "1e999", "inf", "-inf", "nan", "2147483648",
    "18446744073709551616", "1" + "0" * 30, "1_000", "\uff11\uff12", "0x10", "None", "true", "[]", "{}", "()", ",",
    ",,", "a,b", "1,2", "-", "=", "a=b", "\x1b[31mred", "[bold]x", "\u65e5\u672c", "\U0001f600", "..", "/", "~", "%s",
    "{0}", "$HOME", "*", "a" * 2000, "/dev/zero", "/dev/stdin", "/proc/self/mem", "../up", "nowhere/x.csv",
)  # fmt: skip

names = st.one_of(st.sampled_from(NAMES), st.text(max_size=6))
words = st.one_of(st.sampled_from(WORDS), st.text(max_size=4)).filter(lambda word: "\x00" not in word)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content, cut, with some bytes changed, more in its middle, or a part twice."""
    at = draw(st.integers(0, len(content)))
    some = draw(st.one_of(st.binary(max_size=8), st.sampled_from((bytes(8), b"\xff" * 8, b"\n\n", b'"', b"\xff\xfe"))))
    how = draw(st.sampled_from(("cut", "change", "insert", "twice", "before")))
    if how == "cut":
        return content[:at]
    if how == "change":
        return content[:at] + some + content[at + len(some) :]
    if how == "insert":
        return content[:at] + some + content[at:]
    if how == "twice":
        return content[:at] + content[at // 2 :]
    return some + content


def rarely(share: int) -> st.SearchStrategy[bool]:
    """True in one of `share` draws; it stands in the middle, since hypothesis draws the ends more often."""
    return st.sampled_from([i == share // 2 for i in range(share)])


def mostly(usual: Any, *strange: Any, share: int = 10) -> st.SearchStrategy[Any]:
    """`usual` in most draws; what is strange has one in `share`."""
    return rarely(share).flatmap(lambda odd: st.sampled_from(strange) if odd else st.just(usual))


@st.composite
def used(
    draw: st.DrawFn, files: dict[str, bytes], data: str, models: Sequence[str], run: dict[str, bytes], more: Step = ()
) -> Attempt:
    """What a person does with data: look at them, fit a model and use it, or score them with a run that is there."""
    how = draw(mostly(draw(st.sampled_from(("data", "fit", "score"))), "compare", share=15))
    if how == "data":
        json = draw(st.sampled_from(((), ("--json",))))
        return Attempt(("data", data, *(more if more[:1] == ("--window",) else ()), *json), files)
    if how == "score":
        return Attempt(("score", "run", data, "--json"), {**files, **run})
    if how == "compare":
        names = ("--models", ",".join(sorted({models[0], models[-1]})), "--budget", "1s")
        return Attempt(("compare", data, *names, "-o", "new", *more), files, makes=("new",))
    model = draw(st.sampled_from(models))
    fit = ("fit", data, "--model", model, "--steps", "2", "-o", "new", "--json", *more)
    then = (("score", "new", data, "--json"), ("sample", "new", "-n", "3", "-o", "s.csv"))
    back = (("score", "new", "s.csv", "--json"),) if data.endswith((".csv", ".parquet", ".npy")) else ()
    shown = (("report", "new"),) if draw(rarely(15)) else ()
    return Attempt(fit, files, (*then, *back, *shown), ("new", "s.csv"))
