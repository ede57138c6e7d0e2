"""A run that is killed and resumed equals the unbroken one, bit for bit; a run that is loaded scores the same."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from loglik import evaluate, load
from loglik.data import open_dataset
from loglik.errors import RunMismatch, RunNotFound
from loglik.runs.run import STATE, WEIGHTS, Run
from loglik.storage.reading import read_tensors
from loglik.tasks.fitting import fit_run

OPTIONS = {"steps": 150, "batch": 32, "save_seconds": 0.05, "evaluations": 15, "patience": 40}
RUNNER = """
import json, sys
from pathlib import Path
from loglik.data import open_dataset
from loglik.tasks.fitting import fit_run
model, folder, options, resume = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4] == "resume"
hyperparameters = {"hidden": "16", "dropout": 0.1}
fit_run(open_dataset("digits"), folder, source="digits", model=model, hyperparameters=hyperparameters,
        options=options, resume=resume)
"""


def start(model: str, folder: Path, how: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RUNNER, model, str(folder), json.dumps(OPTIONS), how])


def steps_saved(folder: Path) -> int:
    return int(read_tensors(folder / STATE)[1]["counters"]["step"])


@pytest.mark.parametrize("model", ["realnvp", "vae"])
def test_killed_and_resumed_equals_unbroken_bit_for_bit(model: str, tmp_path: Path) -> None:
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    assert start(model, unbroken, "new").wait() == 0
    process = start(model, broken, "new")
    while not ((broken / STATE).exists() and steps_saved(broken) > 20):
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert steps_saved(broken) < OPTIONS["steps"]
    assert start(model, broken, "resume").wait() == 0
    assert (unbroken / WEIGHTS).read_bytes() == (broken / WEIGHTS).read_bytes()
    a, b = Run.open(unbroken).record, Run.open(broken).record
    assert a["scores"][0]["nats"] == b["scores"][0]["nats"]
    assert a["fit"]["history"]["best_nats"] == b["fit"]["history"]["best_nats"]


@pytest.mark.parametrize("model", ["made", "gmm"])
def test_a_run_stopped_while_it_is_scored_resumes_with_the_score(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits, options = open_dataset("digits"), {"steps": 20, "batch": 64, "evaluations": 2}
    unbroken = fit_run(digits, tmp_path / "a", source="digits", model=model, options=options, samples=2)

    def power_cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("loglik.tasks.fitting.evaluate", power_cut)
        with pytest.raises(KeyboardInterrupt):
            fit_run(digits, tmp_path / "b", source="digits", model=model, options=options, samples=2)
    assert not Run.open(tmp_path / "b").record["scores"]
    resumed = fit_run(digits, tmp_path / "b", source="digits", samples=2, resume=True)
    assert resumed.record["scores"][0]["nats"] == unbroken.record["scores"][0]["nats"]
    assert not (tmp_path / "b" / STATE).exists()


def test_a_run_loaded_in_a_new_process_scores_the_same(tmp_path: Path) -> None:
    digits = open_dataset("digits")
    for model in ("pixelcnn", "realnvp", "gmm", "vae"):
        folder = tmp_path / model
        options = {"steps": 3}
        fit_run(digits, folder, source="digits", model=model, options=options, samples=2)
        here = evaluate(load(folder), digits, samples=2)
        code = (
            "import sys, loglik; from loglik.data import open_dataset;"
            "score = loglik.evaluate(loglik.load(sys.argv[1]), open_dataset('digits'), samples=2);"
            "print(score.values.numpy().tobytes().hex())"
        )
        there = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
        assert there.stdout.strip() == here.values.numpy().tobytes().hex(), model


def run(folder: Path, **arguments: object) -> Run:
    digits = open_dataset("digits")
    given = {"source": "digits", "model": "made", "hyperparameters": {"hidden": "8"}, "options": {"steps": 3}}
    return fit_run(digits, folder, **{**given, **arguments})  # type: ignore[arg-type]


def test_a_finished_run_keeps_no_training_state_and_resuming_it_changes_nothing(tmp_path: Path) -> None:
    first = run(tmp_path / "r")
    assert not (tmp_path / "r" / STATE).exists()
    before = (tmp_path / "r" / WEIGHTS).read_bytes()
    again = run(tmp_path / "r", resume=True)
    assert again.record == first.record
    assert (tmp_path / "r" / WEIGHTS).read_bytes() == before


@pytest.mark.parametrize(
    "changed",
    [{"model": "vae"}, {"hyperparameters": {"hidden": "9"}}, {"options": {"steps": 2}}, {"options": {"seed": 1}}],
)
def test_resuming_with_other_settings_is_refused(changed: dict[str, object], tmp_path: Path) -> None:
    run(tmp_path / "r")
    with pytest.raises(RunMismatch):
        run(tmp_path / "r", resume=True, **changed)


def test_resuming_on_other_data_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "r")
    with pytest.raises(RunMismatch, match="rows of digits; ising has other rows"):
        fit_run(open_dataset("ising"), tmp_path / "r", source="ising", resume=True)


def test_a_run_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    run(tmp_path / "r")
    with pytest.raises(RunMismatch, match="--overwrite"):
        run(tmp_path / "r")
    run(tmp_path / "r", overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("do not lose")
    with pytest.raises(RunMismatch, match="not a run"):
        run(tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_there_is_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(RunNotFound):
        run(tmp_path / "none", resume=True)


def test_interrupted_run_is_valid_and_resumable(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    options = {"steps": 300, "batch": 32}

    def stop(step: object) -> None:
        if step.step == 40:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGINT)

    stopped = run(folder, options=options, watch=stop)
    assert stopped.record["status"] == "interrupted"
    assert torch.isfinite(load(folder).log_likelihood(open_dataset("digits").test.x)).all()
    resumed = run(folder, options=options, resume=True)
    unbroken = run(tmp_path / "u", options=options)
    assert resumed.record["scores"][0]["nats"] == unbroken.record["scores"][0]["nats"]
