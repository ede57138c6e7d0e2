"""Training goes on from where a model stands, and a finished run can be given more steps."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from loglik import Integer, Real, build, fit, load, save
from loglik.data import open_dataset
from loglik.errors import RunMismatch
from loglik.runs.run import HISTORY, RUN, STATE, WEIGHTS, Run, read_record
from loglik.tasks.fitting import fit_run
from loglik.training.history import History, Step


def rows(n: int = 300, dims: int = 2) -> torch.Tensor:
    return torch.randn(n, dims, dtype=torch.float64, generator=torch.Generator().manual_seed(n))


@pytest.mark.parametrize("name", ["maf", "nsf", "vae", "made", "realnvp", "iaf"])
def test_a_step_of_no_length_on_other_data_changes_nothing(name: str) -> None:
    model = build(name, Real((2,)), hidden=(8,))
    fit(model, rows(), steps=30)
    before = {key: t.clone() for key, t in model.state_dict().items()}
    assert model.fitted
    fit(model, 100 * rows(200) + 50, steps=1, lr=1e-12)
    for key, t in model.state_dict().items():
        assert torch.allclose(t, before[key], rtol=0, atol=1e-9), key


def test_what_follows_from_the_data_is_taken_anew_where_asked() -> None:
    far = 100 * rows(200) + 50
    model, fresh = build("maf", Real((2,)), hidden=(8,)), build("maf", Real((2,)), hidden=(8,))
    fit(model, rows(), steps=1, lr=1e-12)
    fit(model, far, steps=1, lr=1e-12, initialize=True)
    fit(fresh, far, steps=1, lr=1e-12)
    fresh_scales = {key: t for key, t in fresh.named_buffers() if not key.endswith("mask")}
    assert any(t.numel() and bool((t.double().abs() > 40).any()) for t in fresh_scales.values())
    for key, t in model.named_buffers():
        if key in fresh_scales:
            assert torch.allclose(t.double(), fresh_scales[key].double()), key


def test_em_goes_on_as_if_it_had_not_stopped() -> None:
    x = rows(400, 3)

    def fitted(*passes: int) -> dict[str, torch.Tensor]:
        model = build("gmm", Real((3,)), components=4)
        for steps in passes:
            fit(model, x, steps=steps, tolerance=0.0)
        return model.state_dict()

    whole, parts = fitted(9), fitted(4, 5)
    assert all(torch.allclose(whole[key], parts[key], rtol=0, atol=1e-12) for key in whole)


def test_a_closed_form_is_that_of_the_last_rows() -> None:
    model, fresh = build("gaussian", Real((2,))), build("gaussian", Real((2,)))
    fit(model, rows())
    fit(model, 5 * rows(200) + 3)
    fit(fresh, 5 * rows(200) + 3)
    assert model.log_likelihood(rows()) == pytest.approx(fresh.log_likelihood(rows()), rel=1e-9)


def test_a_saved_model_remembers_that_it_is_fitted(tmp_path: Path) -> None:
    model = build("maf", Real((2,)), hidden=(8,))
    assert not load(save(model, tmp_path / "new")).fitted
    fit(model, rows(), steps=2)
    assert load(save(model, tmp_path / "fitted")).fitted


def run(folder: Path, resume: bool = False, **options: object) -> Run:
    digits = open_dataset("digits")
    return fit_run(
        digits, folder, source="digits", model="made", hyperparameters={"hidden": "8"}, samples=1, resume=resume,
        options={"batch": 128, **options} if not resume else options,
    )  # fmt: skip


def test_a_finished_run_is_given_more(tmp_path: Path) -> None:
    first = run(tmp_path / "r", steps=30).record
    before = History.rows_from_csv((tmp_path / "r" / HISTORY).read_text())
    more = run(tmp_path / "r", resume=True, steps=90).record
    history = more["fit"]["history"]
    assert (history["steps"], history["batch"], more["fit"]["options"]["steps"]) == (90, 128, 90)
    assert history["best_nats"] > first["fit"]["history"]["best_nats"]
    assert more["scores"][0]["nats"] > first["scores"][0]["nats"]
    told = History.rows_from_csv((tmp_path / "r" / HISTORY).read_text())
    assert told[: len(before)] == before
    assert [row.step for row in told] == sorted({row.step for row in told})
    assert told[-1].step == 90
    assert all(row.seconds > before[-1].seconds for row in told[len(before) :])
    assert run(tmp_path / "r", resume=True, epochs=10).record["fit"]["history"]["steps"] == 100
    assert not (tmp_path / "r" / STATE).exists()


@pytest.mark.parametrize("less", [{"steps": 20}, {"steps": 30, "epochs": None}, {"epochs": 2}, {"budget": "0.001s"}])
def test_a_limit_below_what_was_done_is_refused(less: dict[str, object], tmp_path: Path) -> None:
    run(tmp_path / "r", epochs=3)
    with pytest.raises(RunMismatch, match="as it is the total"):
        run(tmp_path / "r", resume=True, **less)
    assert read_record(tmp_path / "r")["status"] == "finished"


def test_more_steps_keep_the_first_weights_unless_they_are_better(tmp_path: Path) -> None:
    first = run(tmp_path / "r", steps=30)
    record = read_record(tmp_path / "r")
    record["fit"]["options"]["lr"] = 30.0  # whatever comes now is worse
    (tmp_path / "r" / RUN).write_text(json.dumps(record))
    more = run(tmp_path / "r", resume=True, steps=40)
    assert more.record["scores"][0]["nats"] == first.record["scores"][0]["nats"]
    assert more.record["fit"]["history"]["best_step"] == 30


def test_a_run_that_is_killed_while_it_has_more_steps_equals_the_unbroken_one(tmp_path: Path) -> None:
    run(tmp_path / "a", steps=10, save_seconds=0)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    unbroken = run(tmp_path / "a", resume=True, steps=24)

    def power_cut(step: Step) -> None:
        if step.step == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_run(open_dataset("digits"), tmp_path / "b", source="digits", resume=True, options={"steps": 24},
                samples=1, watch=power_cut)  # fmt: skip
    assert read_record(tmp_path / "b")["status"] == "training"
    resumed = run(tmp_path / "b", resume=True)
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()
    assert resumed.record["scores"][0]["nats"] == unbroken.record["scores"][0]["nats"]
    told = [[row.step for row in History.rows_from_csv((tmp_path / d / HISTORY).read_text())] for d in "ab"]
    assert told[0] == told[1]


def test_em_is_given_more_passes(tmp_path: Path) -> None:
    ising = open_dataset("digits")
    options = {"steps": 3, "tolerance": 0.0}
    fit_run(ising, tmp_path / "r", source="digits", model="gmm", options=options, samples=1)
    more = fit_run(ising, tmp_path / "r", source="digits", options={"steps": 5}, samples=1, resume=True)
    whole = fit_run(ising, tmp_path / "w", source="digits", model="gmm", options={**options, "steps": 5}, samples=1)
    assert more.record["fit"]["history"]["steps"] == 5
    assert more.record["scores"][0]["nats"] == pytest.approx(whole.record["scores"][0]["nats"], rel=1e-9)


def test_em_killed_between_its_weights_and_their_record_takes_no_pass_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = open_dataset("digits")
    options = {"steps": 2, "tolerance": 0.0}
    for name in "ab":
        fit_run(digits, tmp_path / name, source="digits", model="gmm", options=options, samples=1)
    fit_run(digits, tmp_path / "a", source="digits", options={"steps": 4}, samples=1, resume=True)
    before = (tmp_path / "b" / WEIGHTS).read_bytes()

    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        begin = {"begin": lambda: patch.setattr("loglik.runs.run.write_json", power_cut)}
        with pytest.raises(KeyboardInterrupt):
            fit_run(digits, tmp_path / "b", source="digits", options={"steps": 4}, samples=1, resume=True, **begin)
    assert (tmp_path / "b" / WEIGHTS).read_bytes() != before
    assert read_record(tmp_path / "b")["status"] == "training"
    fit_run(digits, tmp_path / "b", source="digits", samples=1, resume=True)
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()
    assert not (tmp_path / "b" / STATE).exists()


def test_the_record_holds_the_batch_and_every_hyperparameter(tmp_path: Path) -> None:
    record = fit_run(
        open_dataset("digits"), tmp_path / "r", source="digits", model="made", hyperparameters={"hidden": "8"},
        options={"steps": 2}, samples=1,
    ).record  # fmt: skip
    assert record["fit"]["history"]["batch"] == 62  # a twentieth of the 1257 training rows
    assert record["model"]["hyperparameters"]["hidden"] == [8]
    assert record["model"]["hyperparameters"]["dropout"] == 0.0
    torch.manual_seed(0)
    assert build("made", Integer((4,), 3), dropout=0.0).fitted is False
