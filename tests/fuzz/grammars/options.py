"""Commands with strange options and arguments, on a small table and runs that are there."""

import itertools

from attempt import Attempt
from hypothesis import strategies as st

from grammars import tiny
from grammars.hostile import mostly, rarely, words

MODELS = (
    "gaussian", "gmm", "made", "realnvp", "ppca", "nsf", "vae", "histogram", "uniform", "transformer", "", ",", "gaus",
)  # fmt: skip
SEEDS = ("1", "-1", "18446744073709551615", "18446744073709551616", "1.5", "x")
COUNTS = ("1", "2", "0", "-1", "2.0", "1e3", "inf", "nan", "", "1000000000000", "1" + "0" * 30)
DEVICES = ("cpu", "meta", "cuda", "cuda:7", "mps", "hpu", "privateuseone", "xla", "cpu:3", "", "CPU", "auto")
SETS = (
    "hidden=4", "hidden=", "hidden=0", "hidden=-3", "hidden=4,,4", "hidden=1e9", "hidden=1000000000", "layers=0",
    "layers=-2", "layers=1000000000", "components=0", "components=-1", "components=61", "components=1000000000",
    "latents=0", "latents=-1", "latents=3", "dropout=nan", "dropout=-1", "dropout=1", "dropout=2", "width=0", "=", "a",
    "=3", "hidden", "components=2", "components=nan", "bins=0", "bins=1", "masks=0", "heads=0", "heads=3", "rank=-1",
)  # fmt: skip
TRAINING = (
    "ema=0.9", "ema=nan", "ema=1", "ema=-1", "patience=0", "patience=-1", "patience=nan", "clip=0", "clip=inf",
    "clip=nan", "warmup=2", "weight_decay=inf", "evaluations=0", "evaluations=1000000000000", "save_seconds=nan",
    "tolerance=nan", "tolerance=inf", "steps=3", "seed=2", "nothing=1", "carry=2", "precision=1", "ema", "=1",
    "batch=1.5",
)  # fmt: skip
BUDGETS = ("1s", "0s", "-1s", "inf", "nan", "", "1d", "0.1", "0.0000001s", "soon", "1 s")
OUTS = (
    "new", ".", "..", "/", "run", "t.csv", "t.csv/x", "a/b/c", "", "new/", "\x1b[31m", "x" * 300, "-", "keep", "link",
)  # fmt: skip
SPACES = (
    "real", "integer:9", "integer:0", "integer:1", "integer:1000000000000", "category:-1", "category:", "x", "REAL",
)  # fmt: skip

CONTEXTS = ("a", "b", "a,b", "a,a", "", ",", "c")
SHARED = {"--seed": SEEDS, "--samples": COUNTS, "--device": DEVICES}
OPTIONS = {
    "fit": {
        **SHARED, "--model": MODELS, "--steps": ("1", "2", "0", "-1", "1.5", "inf", ""), "-o": OUTS,
        "--budget": BUDGETS, "--epochs": ("1", "0", "-1", "0.01", "inf", "1e308", "nan"), "--set": SETS,
        "--option": TRAINING, "--batch": COUNTS, "--lr": ("0.01", "0", "-1", "inf", "nan", "1e308", "1e-320", "x"), 
        "--space": SPACES, "--precision": ("auto", "float32", "bfloat16", "float8", ""), "--context": CONTEXTS,
        "--window": ("4", "0"), "--resume": (None,), "--overwrite": (None,), "--keep-equal-rows-together": (None,),
    },
    "score": {
        **SHARED, "--part": ("test", "all", "x", ""), "--context": ("a", ""),
        "--evidence": ("naive", "importance", "ais", "x", ""),
        "--rows": ("r.csv", "r.npy", "t.csv", "run/run.json", "r", "/", "a/b.csv", ".csv", "link"),
    },
    "sample": {
        **SHARED, "-n": ("3", *COUNTS), "-o": ("s.csv", "s.npy", "s.png", "s.txt", "s.wav", "t.csv", *OUTS),
        "--context": ("1", "1,2", "nan", ""), "--given": ("1", "1,2", "nan", "a", ""), "--length": COUNTS,
        "--top-k": COUNTS, "--temperature": ("1", "0.5", "0", "-1", "nan", "inf", "1e-320"),
    },
    "data": {"--window": COUNTS, "--json": (None,)},
    "check": {"--seed": SEEDS, "--json": (None,)},
    "report": {},
    "components": {"--part": ("test", "all", "x", ""), "--json": (None,)},
    "models": {"--json": (None,)},
    "compare": {
        "--models": ("gaussian", "gaussian,gmm", "", ",", "gaussian,gaussian", "gaussian,", "nothing", " gaussian"),
        "--budget": BUDGETS, "-o": OUTS, "--context": CONTEXTS, "--space": SPACES, **SHARED,
    },
}  # fmt: skip
LINKS = {"link": "keep", "zero.csv": "/dev/zero", "zero.npy": "/dev/zero", "gone.csv": "nowhere", "home": "."}
PIPES = ("pipe.csv", "pipe.npy", "pipe.txt")
PLACES = (("zero.csv",), ("zero.npy",), ("gone.csv",), ("home",), ("pipe.csv",), ("pipe.npy",), ("pipe.txt",))
ARGUMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "fit": (("t.csv",), ("t.csv",), ("moons",), *PLACES),
    "score": (
        ("run", "t.csv"),
        ("net", "t.csv"),
        ("run", "/"),
        ("run", "."),
        ("t.csv", "t.csv"),
        ("/", "t.csv"),
        ("run", "pipe.csv"),
    ),
    "sample": (("run",), ("net",), ("mix",)),
    "data": (("t.csv",), (), ("moons",), (".",), ("/dev/zero",), ("/",), ("run",), ("link",), *PLACES),
    "check": (("t.csv",), (".",), ("nowhere",)),
    "report": (("t.csv",), (".",), ("nowhere",)),
    "components": (("mix",), ("mix", "t.csv"), ("run",), ("net",), ("nowhere",), ("mix", "nowhere.csv")),
    "models": ((), ("made",), ("gmm",)),
    "compare": (("t.csv", "--models", "gaussian", "--budget", "1s"),),
}
COMMANDS = (
    "fit", "fit", "fit", "score", "score", "sample", "sample", "components", "data", "models", "check", "report",
    "compare",
)  # fmt: skip


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    command = draw(st.sampled_from(COMMANDS))
    if command == "compare" and not draw(rarely(4)):  # which takes seconds
        command = "fit"
    arguments = draw(mostly(draw(st.sampled_from(ARGUMENTS[command])), (), (draw(words),), ("t.csv", "t.csv", "t.csv")))
    step = (command, *arguments)
    chosen = draw(st.lists(st.sampled_from(sorted(OPTIONS[command])), max_size=3)) if OPTIONS[command] else []
    if command == "fit":  # in a moment, whatever else is asked
        step += ("--model", draw(st.sampled_from(("gaussian", "gmm", "made"))))
        step += () if {"--steps", "--epochs", "--budget"} & set(chosen) else ("--steps", "2")
    for name in chosen:
        values = OPTIONS[command][name]
        step += (name,) if values == (None,) else (name, draw(mostly(draw(st.sampled_from(values)), draw(words))))
    for _ in range(draw(mostly(0, 1, share=10))):
        step += (draw(st.sampled_from(("--help", "--version", "--json", "--nothing", "--", "-x"))),)
    files = {"t.csv": tiny.TABLE.encode(), "keep/mine.txt": b"mine", "keep/run.json": b'{"my": "notes"}'}
    for folder, kind in (("run", "table"), ("net", "net"), ("mix", "mixture")):
        files |= {name.replace("run/", f"{folder}/", 1): content for name, content in tiny.run(kind).items()}
    there = {name.split("/")[0] for name in (*files, *LINKS, *PIPES, "", ".", "..")}
    named = {value for option, value in itertools.pairwise(step) if option in ("-o", "--rows")}
    named = {value if value.startswith("../") else value.split("/")[0] for value in named}
    makes = (*sorted(named - there), *(("run",) if "--overwrite" in step or "--resume" in step else ()), "runs")
    return Attempt(step, files, makes=makes, links=LINKS, pipes=PIPES)
