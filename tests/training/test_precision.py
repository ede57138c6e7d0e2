"""A precision that the processor cannot train in is refused before any work; what fails for another reason is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

import loglik
from loglik.contract import ExactModel
from loglik.errors import UsageError
from loglik.ops import sum_event
from loglik.spaces import Category, Real
from loglik.training.precision import check_half_precision
from loglik.zoo import build

OLD = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "NUMBA_CPU_NAME": "generic"}


class Fussy(ExactModel):
    """A normal density whose one product throws under autocast, always, or never."""

    def __init__(self, throws: str) -> None:
        super().__init__(Real((2,)))
        self.throws, self.scale, self.asked = throws, torch.nn.Linear(2, 2), 0

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        self.asked += 1
        if self.throws == "always" or (self.throws == "half" and torch.is_autocast_enabled("cpu")):
            raise RuntimeError("could not create a primitive descriptor. More words.")
        return -sum_event(self.scale(x.to(self.scale.weight)).float().square())

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return torch.randn(n, 2)


def test_what_fails_in_half_precision_alone_is_refused_in_one_line() -> None:
    model, x = Fussy("half"), torch.randn(40, 2)
    state = torch.get_rng_state()
    with pytest.raises(
        UsageError, match=r"got 'bfloat16' \(could not create a primitive descriptor\)\. Choose"
    ) as info:
        check_half_precision(model, x, None)
    assert "\n" not in str(info.value)
    assert model.asked == 0  # copies were
    assert torch.equal(state, torch.get_rng_state())
    with pytest.raises(UsageError, match="Choose 'float32'"):
        loglik.fit(model, x, steps=3, precision="bfloat16")
    loglik.fit(model, x, steps=3, precision="float32")


def test_other_failures_speak_for_themselves() -> None:
    x = torch.randn(40, 2)
    check_half_precision(Fussy("never"), x, None)
    check_half_precision(Fussy("always"), x, None)
    with pytest.raises(RuntimeError, match="could not create") as info:
        loglik.fit(Fussy("always"), x, steps=3, precision="bfloat16")
    assert not isinstance(info.value, UsageError)


@pytest.mark.parametrize("name", ["char-rnn", "made", "pixelcnn", "vae"])
def test_a_precision_is_refused_exactly_where_the_model_cannot_be_trained_in_it(name: str) -> None:
    space = Category((1, 4, 4), 3)
    model, x = build(name, space), torch.randint(3, (30, 1, 4, 4))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    try:
        check_half_precision(model, x, None)
    except UsageError:
        with torch.autocast("cpu", torch.bfloat16), pytest.raises(RuntimeError):
            model.train().objective(x[:2]).mean().backward()
    else:
        loglik.fit(model, x, steps=2, precision="bfloat16")
        return
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_the_command_ends_in_one_line_on_a_processor_without_the_instructions(tmp_path: Path) -> None:
    """oneDNN has no LSTM in bfloat16 without AVX-512; where a later one has, the run is made."""
    (tmp_path / "t.txt").write_text("the quick brown fox jumps over the lazy dog. " * 400)
    command = [sys.executable, "-m", "loglik", "fit", "t.txt", "--model", "char-rnn", "--set", "width=32"]
    command += ["--precision", "bfloat16", "--steps", "2", "-o", "run"]
    result = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **OLD}, capture_output=True, text=True, check=False
    )
    if result.returncode:
        assert result.returncode == 2, result.stderr
        assert "Traceback" not in result.stderr
        assert result.stderr.splitlines()[-1].startswith("loglik: Expected a precision that this processor")
        assert not (tmp_path / "run").exists()
