"""The report of a run shows data only if they are the rows that the run was fitted to, and all that the run says."""

import numpy as np
import pytest

from loglik.cli.app import run as command
from loglik.data import open_dataset
from loglik.errors import DataNotFound, RunMismatch, ShapeMismatch
from loglik.report import run_report
from loglik.runs.run import update_record
from loglik.score import same_rows
from loglik.tasks.fitting import fit_run

ROWS = 50


def table(seed=0, changed=None):
    x = np.random.default_rng(seed).normal(size=(ROWS, 2)) * 3.0
    if changed is not None:
        x[changed] += 1.0
    return "height,weight\n" + "\n".join(",".join(f"{v:.6f}" for v in row) for row in x) + "\n"


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(table())
    folder = tmp_path / "run"
    fit_run(open_dataset(str(path)), folder, source=str(path), model="gmm", hyperparameters={"components": 2})
    return path, folder


def page(folder, data=None):
    return run_report(folder, "loglik report", None if data is None else str(data)).read_text()


def test_the_same_rows_are_shown(run):
    path, folder = run
    text = page(folder, path)
    assert "held-out rows" in text
    assert "EM, step by step" in text  # a mixture in the plane
    assert "has changed" not in text
    assert "cannot be opened" not in text


def test_rows_that_have_changed_are_not_shown_as_those_of_the_run(run):
    path, folder = run
    path.write_text(table(seed=1))
    with pytest.raises(RunMismatch, match="Expected the rows that the run was fitted to, with fingerprint"):
        page(folder, path)
    assert not (folder / "report.html").exists()
    assert "EM, step by step" not in page(folder)
    assert "samples of gmm" in page(folder)  # what the run itself holds


def test_one_changed_test_row_is_noticed(run):
    path, folder = run
    before = open_dataset(str(path))
    first = before.test.x[0].tolist()
    row = next(i for i, line in enumerate(table().splitlines()[1:]) if abs(float(line.split(",")[0]) - first[0]) < 1e-4)
    path.write_text(table(changed=row))
    assert open_dataset(str(path)).train.fingerprint == before.train.fingerprint
    with pytest.raises(RunMismatch, match="Expected the rows that the run was scored on"):
        page(folder, path)


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (lambda path: path.unlink(), DataNotFound),
        (lambda path: path.write_text("a\n1\n2\n3\n"), ShapeMismatch),
        (lambda path: path.write_text("height,weight\n" + "1,2\n" * ROWS), RunMismatch),
    ],
)
def test_data_that_are_gone_or_of_another_kind_are_refused(run, write, error, capsys):
    path, folder = run
    write(path)
    capsys.readouterr()
    assert command(["report", str(folder), "--data", str(path)]) == error.exit_code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "people.csv" in err
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [("r", "r", True), ("r", "s", False), ("r-c", "r", True), ("r-c", "r-c", True), ("r-c", "r-d", False)],
)
def test_fingerprints_of_rows_and_contexts(a, b, same):
    assert same_rows(a, b) is same
    assert same_rows(b, a) is same


def test_no_file_is_opened_that_only_the_run_names(run, monkeypatch):
    path, folder = run

    def opened(*_, **__):
        raise AssertionError("a file was opened")

    monkeypatch.setattr("loglik.report.reopening.open_dataset", opened)
    text = page(folder)
    assert "Name it with --data" in text
    assert "samples of gmm" in text
    with pytest.raises(AssertionError, match="was opened"):
        page(folder, path)


def test_built_in_data_need_no_naming(tmp_path):
    fit_run(open_dataset("moons"), tmp_path / "r", source="moons", model="gmm", hyperparameters={"components": 2})
    assert "Name it with" not in page(tmp_path / "r")
    about = update_record(tmp_path / "r")["data"]
    update_record(tmp_path / "r", data={**about, "fingerprint": "0" * 16})
    text = page(tmp_path / "r")
    assert "The data are not shown. Expected the rows that the run was fitted to" in text
    assert "held-out rows" not in text


def test_the_rows_of_a_run_without_a_fingerprint_are_not_shown(run):
    path, folder = run
    record = update_record(folder)
    update_record(folder, data={k: v for k, v in record["data"].items() if k != "fingerprint"})
    with pytest.raises(RunMismatch, match="this one has none"):
        page(folder, path)


def test_the_batch_that_was_used_and_every_hyperparameter_stand_in_tables(run):
    _, folder = run
    record = update_record(folder)
    recipe = {**record["model"], "hyperparameters": {**record["model"]["hyperparameters"], "components": 2}}
    update_record(folder, model=recipe, fit={**record["fit"], "history": {**record["fit"]["history"], "batch": 37}})
    text = page(folder)
    assert '<tr><th scope="row">batch</th><td>37</td></tr>' in text
    for name, value in recipe["hyperparameters"].items():
        assert f'<tr><th scope="row">{name}</th><td>{"" if value is None else value}</td></tr>' in text


def test_the_curve_of_a_run_knows_which_weights_were_kept(tmp_path):
    from loglik.report.record import history
    from loglik.runs.run import Run

    path = tmp_path / "people.csv"
    path.write_text(table())
    folder = tmp_path / "run"
    fit_run(open_dataset(str(path)), folder, source=str(path), model="made", options={"steps": 40, "batch": 8})
    record = Run.open(folder).record
    told = history(folder, record)
    looks = {row.step: row.valid_nats for row in told.rows if row.valid_nats is not None}
    assert told.best_step == record["fit"]["history"]["best_step"]
    assert looks[told.best_step] == max(looks.values())
