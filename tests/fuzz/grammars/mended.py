"""Inputs that broke the law and are mended, by grammar."""

from attempt import PYTHON, Attempt

from grammars import tiny
from grammars.arrays import header
from grammars.images import large_png

CSV, REALS = tiny.TABLE.encode(), bytes(960)


def mended() -> dict[str, tuple[Attempt, ...]]:
    run = {**tiny.run("table"), "t.csv": CSV}
    score = ("score", "run", "t.csv", "--json")
    return {
        "csv": (
            Attempt(("data", "t.csv"), {"t.csv": b"\n\na\n" + b"18446744073709551623\n" * 25}),  # KeyError
            Attempt(("data", "t.csv"), {"t.csv": b"\x80a,b\n1,2\n"}),  # the codec's words
            Attempt(("data", "\x1b[31m.csv"), {"\x1b[31m.csv": b""}),  # a red terminal
            Attempt(("data", "t.csv"), links={"t.csv": "/dev/zero"}),
            Attempt(("data", "t.csv"), pipes=("t.csv",)),
        ),
        "npy": (
            Attempt(("data", "x.npy"), {"x.npy": header("<f8", (60, -2)) + REALS}),  # OverflowError
            Attempt(("data", "x.npy"), {"x.npy": header("<f8", (True, 2)) + REALS}),  # TypeError
            Attempt(("data", "x.npy"), {"x.npy": header("<f8", (2**62, 2**62)) + REALS}),  # numpy's warning
            Attempt(("data", "x.npy"), {"x.npy": header("<f8", "(60, 2), }_order': False, 'shape': (60") + REALS}),
        ),
        "images": (Attempt(("data", "i"), {**tiny.pictures(), "i/00.png": large_png(9500, 9500)}),),  # Pillow's warning
        "sounds": (  # mpg123 takes it for MPEG, and prints from C
            Attempt(("data", "s.wav"), {"s.wav": b"\xff\xfaFF\x84\t\x00\x00WAVEfmt " + bytes(2440)}),
        ),
        "weights": (Attempt(score, {**run, "run/rows.safetensors": b""}),),  # a note before the refusal
        "records": (
            Attempt(score, {**run, "run/run.json": b"[" * 100_000}),  # RecursionError
            Attempt(score, {**run, "run/run.json": b"\xff{}"}),
        ),
        "calls": tuple(
            Attempt((PYTHON, source), {"t.csv": CSV})
            for source in (
                "loglik.build(None, loglik.Real((2,)))",
                "loglik.build('gmm', loglik.Real((10**9,)))",
                "loglik.build('gaussian', loglik.Real(None))",
                "loglik.build('pixelcnn', loglik.Real(()))",
                "m = loglik.build('gmm', loglik.Integer((), 3))\nm(m.sample(2))",
                "loglik.build('gaussian', loglik.Real((2,))).log_likelihood(None)",
                "loglik.build('gaussian', loglik.Real((2,))).log_likelihood(np.zeros((60, 2)))",
                "loglik.fit(None, None)",
                "loglik.check(None)",
                "loglik.load(None)",
                "loglik.save(loglik.build('gaussian', loglik.Real((2,))), '')",
                "loglik.data.open_dataset(None)",
                "loglik.data.hold_out(None)",
                "loglik.compare([None], np.ones((60, 3)), budget=1)",
                "loglik.register({}, None)",
                "loglik.sample(loglik.build('gaussian', loglik.Real((2,))), None)",
            )
        ),
    }
