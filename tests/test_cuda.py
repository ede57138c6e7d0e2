"""Everything runs on a GPU, and says there what it says on the CPU."""

from pathlib import Path

import pytest
import torch

import loglik
from loglik import Integer, Real, Space
from loglik.data import open_dataset
from loglik.tasks.fitting import fit_run
from loglik.zoo import ZOO

pytestmark = pytest.mark.gpu
GREY, VECTOR = Integer((1, 4, 4), 5), Real((3,))
CASES = [(name, space) for name in ZOO for space in (GREY, VECTOR)]


@pytest.mark.parametrize(("name", "space"), CASES, ids=[f"{n}-{type(s).__name__}" for n, s in CASES])
def test_a_model_fits_scores_and_samples_on_the_gpu_as_on_the_cpu(name: str, space: Space) -> None:
    try:
        model = loglik.build(name, space)
    except loglik.LoglikError:
        pytest.skip("not a model of this space")
    model = model.cuda()
    x = torch.randint(5, (300, *space.shape)) if space is GREY else torch.randn(300, *space.shape)
    loglik.fit(model, x, steps=5)
    there = loglik.evaluate(model, x)
    assert model.device.type == "cuda"
    assert not there.not_finite
    assert loglik.sample(model, 7).shape == (7, *space.shape)
    if model.claim is loglik.Claim.EXACT:
        here = loglik.evaluate(model.cpu(), x)
        assert abs(there.nats - here.nats) < 1e-3 * abs(here.nats)


def test_bfloat16_is_the_default_on_a_gpu_and_learns(tmp_path: Path) -> None:
    digits = open_dataset("digits")
    run = fit_run(
        digits, tmp_path / "r", source="digits", model="made", options={"steps": 300}, device=torch.device("cuda")
    )
    assert run.record["scores"][0]["bits_per_dim"] < 2.4


def test_interrupted_and_resumed_on_the_gpu_equals_unbroken(tmp_path: Path) -> None:
    import os
    import signal

    digits = open_dataset("digits")
    arguments = {"source": "digits", "model": "realnvp", "options": {"steps": 80}, "device": torch.device("cuda")}

    def stop(step: loglik.History) -> None:
        if step.step == 40:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGINT)

    fit_run(digits, tmp_path / "a", **arguments)  # type: ignore[arg-type]
    assert fit_run(digits, tmp_path / "b", watch=stop, **arguments).record["status"] == "interrupted"  # type: ignore[arg-type]
    fit_run(digits, tmp_path / "b", resume=True, **arguments)  # type: ignore[arg-type]
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()
