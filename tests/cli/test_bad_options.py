"""Options that cannot be: one line with the range and what came, before anything is read or written.

The data named here are not there, so an option that is not checked first would end in another error.
"""

import io
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from loglik import errors
from loglik.cli import last_resort
from loglik.cli.app import run
from loglik.errors import LoglikError
from loglik.output.visible import visible
from loglik.report.drawing import panel, styled, to_svg

NOWHERE = "nowhere.csv"
FIT: dict[str, tuple[str, ...]] = {
    "--steps": ("0", "-1", "2.5", "inf", "nan", "x", "", "1e3", "9" * 25),
    "--epochs": ("0", "-1", "inf", "nan", "1e308", "x", "1e400"),
    "--budget": ("0", "-5s", "inf", "nan", "soon", "", "1e9h", "9" * 14 + "h", "s", "5 minutes", "\u0663s"),
    "--seed": ("-1", "18446744073709551616", "1.5", "x", ""),
    "--batch": ("0", "-1", "2.5", "x", "9" * 11),
    "--lr": ("0", "-1", "inf", "nan", "x", "1e9"),
    "--precision": ("float64", "", "x"),
    "--samples": ("0", "-1", "x", "9" * 10),
    "--device": ("meta", "hpu", "privateuseone", "cuda:99", "", "x", "cpu:1", "mps"),
    "--model": ("", "nope", " gaussian", "gaussian,gmm", "\x1b[31m"),
    "--window": ("0", "-3", "x"),
    "--context": ("", ",", "a,", "a,a"),
    "--option": ("a", "ema=2", "ema=x", "nope=1", "tolerance=nan", "patience=0", "warmup=1", "clip=0", "steps=inf"),
}
SETTINGS = {
    "made": ("a", "=1", "hiden=3", "hidden=0", "hidden=1e9", "dropout=nan", "dropout=1", "masks=0", "\x1b[31m=1"),
    "gmm": ("components=-1", "components=2.5", "floor=2"),
    "nsf": ("layers=0", "layers=-2", "bound=nan"),
    "vae": ("latents=0", "latents=none-at-all"),
}
SAMPLE: dict[str, tuple[str, ...]] = {
    "-n": ("0", "-1", "1" + "0" * 30, "2.5", "x", ""),
    "--temperature": ("0", "-1", "nan", "inf", "x"),
    "--top-k": ("0", "-1", "2.5"),
    "--length": ("0", "-1", "1" + "0" * 20),
    "--seed": ("-1",),
    "--device": ("hpu",),
}
COMPARE = {"--models": ("", " ", ",", "gaussian,", "gaussian,,gmm", "nope"), "--budget": ("0", ""), "--samples": ("0",)}
REPR = {"1e400": "inf", "1e308": "1e+308", "1e9": "1000000000.0"}  # what came, as a number
CASES = [
    *(("fit", NOWHERE, option, value) for option, values in FIT.items() for value in values),
    *(("fit", NOWHERE, "--model", name, "--set", value) for name, values in SETTINGS.items() for value in values),
    *(("sample", "nowhere", option, value) for option, values in SAMPLE.items() for value in values),
    *(("compare", NOWHERE, option, value) for option, values in COMPARE.items() for value in values),
    ("fit", NOWHERE, "--steps", "3", "--epochs", "2"),
    ("score", "nowhere", NOWHERE, "--samples", "0"),
]


@pytest.mark.parametrize("words", CASES, ids=lambda words: visible(" ".join(words))[:60])
def test_one_line_says_what_came(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(list(words)) in (2, 3, 4)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("loglik: ")
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert NOWHERE not in err
    assert "foresee" not in err
    came = words[-1].partition("=")[0 if "Unknown" in err else 2] or words[-1]
    assert any(visible(form)[:12] in err for form in (came, REPR.get(came, came))) or "got several" in err
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_is_not_there_is_not_among_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", NOWHERE, "--device", "cuda:99"]) == 2
    listed, came = capsys.readouterr().err.split("; got ")
    assert "'cuda:99'" in came
    assert "cuda:99" not in listed
    assert "cpu" in listed


def test_no_option_is_checked_after_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """K = 0 was refused only when the model was fitted and about to be scored."""
    out = tmp_path / "run"
    assert run(["fit", "digits", "--model", "vae", "--steps", "1", "--samples", "0", "-o", str(out)]) == 2
    assert not out.exists()
    assert "1 to 1000000; got 0" in capsys.readouterr().err


def fail(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*arguments: object, **named: object) -> None:
        raise error

    monkeypatch.setattr("loglik.cli.look.catalog", raises)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ZeroDivisionError("of a\nlong message"), 70, ("ZeroDivisionError: of a long message", "report")),
        (KeyError(), 70, ("KeyError",)),
        (RecursionError("maximum recursion depth exceeded"), 70, ("nested too deeply",)),
        (MemoryError(), 60, ("memory was used up", "--batch")),
        (torch.OutOfMemoryError("CUDA out of memory"), 60, ("CUDA out of memory",)),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"),
            60,
            ("used up",),
        ),
        (PermissionError(13, "Permission denied", "f\x1b[31m"), 70, ("Permission denied",)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_nobody_foresaw_is_one_line_and_a_file(
    error: BaseException, code: int, words: tuple[str, ...], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fail(error, monkeypatch)
    assert run(["data"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "\x1b" not in err
    for word in words:
        assert word in err
    (details,) = tmp_path.iterdir()
    assert str(details) in err
    assert stat.S_IMODE(details.stat().st_mode) == 0o600
    written = details.read_text()
    for part in ("Traceback", type(error).__name__, "arguments: ['data']", "torch"):
        assert part in written
    assert issubclass(type(last_resort.as_ours(error, [])), LoglikError)


def test_the_table_of_errors_names_every_exit_code() -> None:
    rows = dict(re.findall(r"[|`]-- (\w+) .*? (\d+)    ", errors.__doc__ or ""))
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, LoglikError)]
    assert rows == {c.__name__: str(c.exit_code) for c in classes if c is not LoglikError}


def test_without_a_place_for_the_details_it_is_still_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    fail(ZeroDivisionError("x"), monkeypatch)
    assert run(["data"]) == 70
    err = capsys.readouterr().err
    assert "could not be written" in err
    assert err.count("\n") == 1


def test_tracebacks_are_shown_on_demand(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(last_resort.DEBUG, "1")
    assert run(["fit", NOWHERE]) == 11
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert err.splitlines()[-1].startswith("loglik: Expected")


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fail(KeyboardInterrupt(), monkeypatch)
    assert run(["data"]) == 130
    assert capsys.readouterr().err == "loglik: Interrupted.\n"


ODD = "US$,a_b^2$x$,\\frac{},\u65e5\u672c[red]\x1b[31m\x07"


@pytest.mark.filterwarnings("error")
def test_names_are_shown_and_never_obeyed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Terminal codes, markup and the signs of mathtext, in the names of a file and its columns."""
    file = tmp_path / "t[red]$\x1b]0;gone\x07.csv"
    file.write_text(f"{ODD}\n" + "".join(f"{i % 7}.5,{i % 5}.25,{i}.5,{-i * i}.125\n" for i in range(60)))
    out = tmp_path / "all"
    words = ["compare", str(file), "--models", "gaussian,gmm", "--budget", "2s", "-o", str(out)]
    assert run(words) == 0
    assert run(["report", str(out / "gmm")]) == 0
    assert run(["sample", str(out / "gmm"), "-n", "2", "-o", str(tmp_path / "s.csv")]) == 0
    assert run(["score", str(out / "gmm"), str(file)]) == 0
    shown = "".join(capsys.readouterr())
    shown += (out / "report.html").read_text() + (out / "gmm" / "report.html").read_text()
    shown += (out / "gmm" / "run.json").read_text() + (out / "comparison.json").read_text()
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "t[red]$\\x1b]0;gone\\x07" in shown
    for name in ("US$", "a_b^2$x$", "\\frac{}", "\u65e5\u672c[red]\\x1b[31m\\x07"):
        assert f"<b>{name}</b>" in shown


def test_text_in_figures_is_no_formula() -> None:
    with styled():
        figure, axes = panel(300, 200)
        axes.set_title("US$ $\\frac{")
        axes.set_xlabel("a_b^2 \u65e5\u672c")
        assert "US$ $\\frac{" in to_svg(figure, "f", "a\x1b[31mlabel")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain \u00e9 \u65e5 \U0001f600", "plain \u00e9 \u65e5 \U0001f600"),
        ("\x1b[2J\x07\r\n\t\x00\x7f\x9b", "\\x1b[2J\\x07\\r\\n\\t\\x00\\x7f\\x9b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("line\u2028break", "line\\u2028break"),
        ("caf\udce9", "caf\\udce9"),
        ("\u00a0\u202f", "\u00a0\u202f"),
    ],
)
def test_what_a_terminal_would_obey_is_spelt_out(text: str, seen: str) -> None:
    assert visible(text) == seen
    assert seen.encode()
    assert visible("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def test_markup_in_a_name_is_not_obeyed_by_the_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    from loglik import Real
    from loglik.cli.console import progress
    from loglik.training.history import Step

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress(Real((1,))) as watcher:
        watch = watcher("made on [red]a\x1b]0;b[/nope]")
        assert watch is not None
        watch(Step(1, 1.0, 0.5, -1.0, None, 0.1, 1.0))
    assert "[red]a\\x1b]0;b[/nope]" in terminal.getvalue()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_the_process_with_130(tmp_path: Path) -> None:
    words = [sys.executable, "-u", "-m", "loglik", "fit", "digits", "--model", "made", "--steps", "100000", "-o", "run"]
    process = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "Split" in process.stderr.readline()
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_device_that_is_not_there_comes_with_what_torch_sees(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for build, said in {None: "this torch is built without CUDA", "12.8": "nvidia-smi"}.items():
        monkeypatch.setattr(torch.version, "cuda", build)
        assert run(["fit", NOWHERE, "--device", "cuda"]) == 2
        told = capsys.readouterr().err
        assert "torch sees here, cpu, or auto; got 'cuda'. torch sees no CUDA device: " in told
        assert said in told


def test_levels_are_said_to_be_a_whole_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n3,0\n" * 30)
    for words in ("integer:abc", "category:2.5", "integer"):
        assert run(["fit", str(tmp_path / "t.csv"), "--space", words, "-o", str(tmp_path / "r")]) == 2
        assert f"got {words!r}. LEVELS is a whole number, such as integer:256." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "components=3,covariance=diag"], "--set components=3 --set covariance=..."),
        (["--set", "components=3 covariance=diag"], "--set components=3 --set covariance=..."),
        (["--set", "components=3", "--set", "components=4"], "once for components; got '3' and '4'. Leave one out."),
        (["--option", "ema=0.9;patience=4"], "--option ema=0.9 --option patience=..."),
        (["--option", "ema=0.9", "--option", "ema=0.99"], "once for ema; got '0.9' and '0.99'. Leave one out."),
    ],
)
def test_a_key_is_set_once_and_alone(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", NOWHERE, "--model", "gmm", *words]) == 2
    assert told in capsys.readouterr().err
    assert run(["fit", NOWHERE, "--model", "gmm", "--set", "components=3", "--set", "components=3"]) == 11


@pytest.mark.parametrize("words", ["gaussian gmm", "gaussian;gmm", "gaussian; gmm", "gaussian+gmm"])
def test_models_are_separated_by_commas(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", NOWHERE, "--models", words]) == 2
    assert f"by commas; got {words!r}. Write --models gaussian,gmm." in capsys.readouterr().err


def test_fit_takes_one_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", NOWHERE, "--model", "gaussian,gmm"]) == 2
    assert "Expected one model; got 'gaussian,gmm'. For several: loglik compare" in capsys.readouterr().err


def test_a_beginning_for_a_model_without_an_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = {
        "moons": "fit made, which takes a beginning and a temperature",
        "digits": "char-rnn, made, transformer, pixelcnn",
    }
    for data, instead in sets.items():
        assert run(["fit", data, "--model", "gaussian", "-o", str(tmp_path / data)]) == 0
        for option in (["--given", "hello"], ["--top-k", "3"]):
            capsys.readouterr()
            assert run(["sample", str(tmp_path / data), *option]) == 2
            told = capsys.readouterr().err
            assert "got gaussian of " in told
            assert instead in told
