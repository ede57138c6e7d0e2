"""The commands, from data to report, as a user types them."""

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from loglik.cli.app import run
from loglik.errors import Diverged, Unforeseen
from loglik.zoo import ZOO

FAST = ["--models", "uniform,histogram,gaussian,made", "--budget", "2s", "--samples", "2"]


def words(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    capsys.readouterr()
    assert run(arguments) == 0
    return capsys.readouterr().out


def test_compare_makes_a_leaderboard_a_report_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "c"
    out = words(capsys, ["compare", "digits", *FAST, "-o", str(folder)])
    assert "= 4.0875" in out  # log2(17), exactly
    assert "lower bound, K=2" in out
    assert "undecided" in out
    assert (folder / "report.html").stat().st_size > 10_000
    recorded = json.loads((folder / "comparison.json").read_text())
    assert [row["place"] for row in recorded["standings"]] == [1, 2, 3, 4]
    for row in recorded["standings"]:
        scored = json.loads(words(capsys, ["score", str(folder / row["name"]), "digits", "--samples", "2", "--json"]))
        assert scored["nats"] == pytest.approx(row["score"]["nats"], rel=1e-6)  # float32 nets: some ten roundings


def test_compare_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = json.loads(
        words(capsys, ["compare", "ising", "--models", "histogram,uniform", "--json", "-o", str(tmp_path / "c")])
    )
    uniform = next(row for row in shown["standings"] if row["name"] == "uniform")
    assert uniform["score"]["bits_per_dim"] == pytest.approx(1.0)
    assert uniform["score"]["claim"] == "exact"
    assert shown["truth"]["nats"] > uniform["score"]["nats"]


def test_a_model_that_does_not_suit_is_listed_and_stops_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = words(capsys, ["compare", "moons", "--models", "gaussian,histogram", "-o", str(tmp_path / "c")])
    assert "failed: `histogram` models Integer and Category data" in out
    assert "regret" in out


def test_where_no_model_could_be_scored_there_is_one_line_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", "moons", "--models", "histogram,pixelcnn", "-o", str(tmp_path / "c")]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    assert err.startswith("loglik: No model could be fitted and scored. ")
    assert "histogram: `histogram` models Integer and Category data" in err
    assert "pixelcnn: " in err

    def diverged(*arguments: object, **options: object) -> None:
        raise Diverged("the loss", 3)

    monkeypatch.setattr("loglik.tasks.compare.fit", diverged)
    assert run(["compare", "moons", "--models", "gaussian", "-o", str(tmp_path / "d")]) == Diverged.exit_code
    monkeypatch.setattr("loglik.tasks.compare.fit", lambda *arguments, **options: 1 // 0)
    assert run(["compare", "moons", "--models", "gaussian", "-o", str(tmp_path / "e")]) == Unforeseen.exit_code
    assert not list(tmp_path.iterdir())


def test_fit_score_sample_report_check_on_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, folder = tmp_path / "table.csv", tmp_path / "run"
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 2)) @ [[2.0, 1.0], [0.0, 0.3]] + [10.0, -3.0]
    np.savetxt(table, rows, delimiter=",", header="height,weight", comments="")
    out = words(capsys, ["fit", str(table), "--model", "gaussian", "-o", str(folder)])
    assert "log density = " in out
    assert "nats per event (exact, 40 events" in out
    scores = tmp_path / "scores.csv"
    assert "200 events" in words(capsys, ["score", str(folder), str(table), "--rows", str(scores)])
    assert len(scores.read_text().splitlines()) == 201
    shown = words(capsys, ["sample", str(folder), "-n", "500"])
    drawn = np.array([[float(cell) for cell in line.split(",")] for line in shown.splitlines()[1:]])
    assert shown.startswith("height,weight\n")
    assert abs(drawn.mean(0) - rows.mean(0)).max() < 0.5
    assert "Report: " in words(capsys, ["report", str(folder)])
    assert (folder / "report.html").exists()
    assert "passed" in words(capsys, ["check", str(folder)])
    assert json.loads(words(capsys, ["check", str(folder), "--json"]))["passed"] is True


def test_the_columns_of_the_run_are_found_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("a,b\n" + "".join(f"{i}.0,{i * i}.5\n" for i in range(40)))
    (tmp_path / "b.csv").write_text("note,b,a\n" + "".join(f"{i},{i * i}.5,{i}.0\n" for i in range(40)))
    run(["fit", str(tmp_path / "a.csv"), "--model", "gaussian", "-o", str(tmp_path / "run")])
    first, second = (
        json.loads(words(capsys, ["score", str(tmp_path / "run"), str(tmp_path / f), "--json"]))
        for f in ("a.csv", "b.csv")
    )
    assert first["nats"] == second["nats"]
    assert run(["score", str(tmp_path / "run"), str(tmp_path / "b.csv")]) == 0
    assert "2 columns, column 'note' left out." in capsys.readouterr().err


def test_the_context_columns_of_the_run_are_found_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """y = c + noise of 0.1: right contexts score far above wrong ones."""
    random = np.random.default_rng(0)
    c, d = random.normal(size=(2, 400))
    columns = {"y": c + 0.1 * random.normal(size=400), "c": c, "d": d}
    run_folder = str(tmp_path / "run")

    def table(names: str) -> str:
        path = tmp_path / f"{names}.csv"
        np.savetxt(path, np.stack([columns[n] for n in names], 1), delimiter=",", header=",".join(names), comments="")
        return str(path)

    fitting = ["fit", table("cyd"), "--context", "c,d", "--model", "maf", "--set", "hidden=16", "--steps", "600"]
    words(capsys, [*fitting, "-o", run_folder])
    assert json.loads((tmp_path / "run" / "run.json").read_text())["data"]["context_columns"] == ["c", "d"]
    first, second = (json.loads(words(capsys, ["score", run_folder, table(n), "--json"])) for n in ("cyd", "dyc"))
    assert first["nats"] == pytest.approx(second["nats"], abs=1e-6)
    assert first["nats"] > 0.0  # of N(c, 0.1): 0.88; of y without c: -1.42
    assert run(["score", run_folder, table("yd")]) == 4
    told = capsys.readouterr().err
    assert "Expected a context column 'c'; yd.csv has 'y', 'd'." in told
    assert told.count("\n") == 1
    assert run(["score", run_folder, table("cyd"), "--context", "d,c"]) == 4
    assert run(["score", run_folder, table("cyd"), "--context", "c,d"]) == 0
    assert run(["fit", table("cyd"), "-o", run_folder, "--set", "hidden=16", "--resume"]) == 0


def test_repeated_rows_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, kept = tmp_path / "t.csv", tmp_path / "kept"
    table.write_text("a,b\n" + "".join(f"{i % 70}.5,{i % 7}.0\n" for i in range(100)))
    assert run(["fit", str(table), "--model", "gaussian", "-o", str(tmp_path / "run")]) == 0
    out, err = capsys.readouterr()
    assert "Split: rows shuffled by numpy's PCG64, then cut (seed 0): 70 train, 10 valid, 20 test." in err
    count = int(err.split("Of 20 test rows ")[1].split()[0])
    assert "unseen test rows: log density" in out
    out = words(capsys, ["score", str(tmp_path / "run"), str(table)])
    assert out.index("The other") < out.index("All 100: ")
    fit = ["fit", str(table), "--model", "gaussian", "-o", str(kept), "--keep-equal-rows-together"]
    assert run(fit) == 0
    out, err = capsys.readouterr()
    assert count > 0
    assert "sets of equal rows" in err
    assert "equal training rows" not in err
    assert "unseen" not in out
    assert run([*fit[:-1], "--resume"]) == 0
    compared = ["compare", str(table), "--models", "gaussian", "-o", str(tmp_path / "c")]
    assert f"of 20 test rows {count} equal training rows" in words(capsys, compared)
    assert "equal training" not in words(capsys, [*compared, "--overwrite", "--keep-equal-rows-together"])
    assert run(["compare", "digits", "--keep-equal-rows-together"]) == 2


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".png", ".PNG"])
def test_samples_as_files(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = tmp_path / "run", tmp_path / f"samples{suffix}"
    run(["fit", "digits", "--model", "histogram", "-o", str(folder)])
    words(capsys, ["sample", str(folder), "-n", "10", "-o", str(out)])
    if suffix == ".npy":
        assert np.load(out).shape == (10, 1, 8, 8)
    assert out.stat().st_size > 100
    assert words(capsys, ["sample", str(folder), "-n", "3", "--seed", "1"]) == words(
        capsys, ["sample", str(folder), "-n", "3", "--seed", "1"]
    )


def test_a_conditional_model_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    arguments = ["fit", "digits", "--model", "made", "--set", "hidden=32", "--steps", "60", "--context", "label"]
    words(capsys, [*arguments, "-o", str(folder)])
    with_labels = json.loads(words(capsys, ["score", str(folder), "digits", "--context", "label", "--json"]))
    assert math.isfinite(with_labels["nats"])
    assert run(["score", str(folder), "digits"]) == 4
    assert len(words(capsys, ["sample", str(folder), "-n", "4", "--context", "3"]).splitlines()) == 5
    assert run(["sample", str(folder), "-n", "4"]) == 4
    assert run(["sample", str(folder), "-n", "4", "--context", "10"]) == 16


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    listed = words(capsys, ["models"])
    assert all(name in listed for name in ZOO)
    assert "(512, 512)" in words(capsys, ["models", "made"])
    assert "digits" in words(capsys, ["data"])
    assert "1258" in words(capsys, ["data", "digits"])
    assert json.loads(words(capsys, ["models", "--json"]))[0]["name"] == "uniform"
    assert json.loads(words(capsys, ["models", "gmm", "--json"]))["hyperparameters"]["components"] == "10"
    assert json.loads(words(capsys, ["data", "--json"]))


@pytest.mark.parametrize("command", ["compare", "fit", "score", "sample", "check", "report", "models", "data"])
def test_every_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = words(capsys, [command, "--help"])
    assert f"loglik {command}" in out.split("Examples:")[1]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    import loglik

    assert words(capsys, ["--version"]).strip() == f"loglik {loglik.__version__}"


def interrupted(arguments: list[str], begun: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, sent Ctrl-C while it trains: soon after the file `begun` is there."""
    command = [sys.executable, "-m", "loglik", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60.0
    while begun is not None and not begun.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(4.0 if begun else 20.0)  # well into a budget of minutes, and past the imports
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def test_ctrl_c_leaves_a_valid_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    ended = interrupted(
        ["fit", "digits", "--model", "vae", "--set", "hidden=32", "--budget", "10m", "-o", str(folder)],
        folder / "run.json",
    )
    assert ended.returncode == 130, ended.stderr
    assert "--resume" in ended.stderr
    assert "359 events" in words(capsys, ["score", str(folder), "digits"])


def test_ctrl_c_in_a_comparison_scores_what_was_fitted(tmp_path: Path) -> None:
    arguments = ["compare", "digits", "--models", "histogram,pixelcnn,vae", "--budget", "20m", "--samples", "1"]
    ended = interrupted([*arguments, "-o", str(tmp_path / "c")])
    assert ended.returncode == 130, ended.stderr
    assert "vae" in ended.stdout.split("interrupted before its turn")[0]
    assert "histogram" in ended.stdout
    assert (tmp_path / "c" / "pixelcnn" / "run.json").exists()


def test_divergence_has_its_exit_code_and_leaves_a_valid_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert run(["fit", "moons", "--model", "realnvp", "--lr", "1000", "--steps", "50", "-o", str(folder)]) == 40
    err = capsys.readouterr().err
    assert "step" in err
    assert "not finite" in err
    assert json.loads((folder / "run.json").read_text())["status"] == "diverged"
    assert run(["sample", str(folder), "-n", "2"]) == 0


def test_comparing_conditional_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "compare",
        "digits",
        "--models",
        "uniform,made,gaussian",
        "--budget",
        "2s",
        "--samples",
        "1",
        "--context",
        "label",
    ]
    out = words(capsys, [*arguments, "-o", str(tmp_path / "c")])
    assert "`gaussian` does not condition on a context" in out
    assert json.loads((tmp_path / "c" / "made" / "run.json").read_text())["model"]["hyperparameters"]["context"]


def test_a_run_is_not_given_up_for_one_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    words(capsys, ["fit", "digits", "--model", "histogram", "-o", str(folder)])
    before = (folder / "model.safetensors").read_bytes()
    assert run(["fit", "digits", "--model", "made", "--set", "hidden=big", "-o", str(folder), "--overwrite"]) == 2
    assert run(["compare", "digits", "--models", "nade", "-o", str(folder), "--overwrite"]) == 3
    assert (folder / "model.safetensors").read_bytes() == before
