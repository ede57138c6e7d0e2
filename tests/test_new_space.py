"""A space of a new kind is one class: scores, laws, tables and files follow from what it says of itself."""

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import loglik
from loglik import ExactModel, Measure, Space
from loglik.densities import normal_log_prob
from loglik.errors import OutsideSpace, ShapeMismatch, UsageError
from loglik.laws import Status
from loglik.spaces import Integer, Real, space_from_json


@dataclass(frozen=True)
class BitAndReal(Space):
    """(bit, number): the first value is 0 or 1, the second is real."""

    shape: tuple[int, ...] = (2,)
    measure = Measure.MIXED
    ordered = True

    def events(self, x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        self.check(x)
        return x.to(dtype)

    def check(self, x: Tensor) -> None:
        self.check_shape(x)
        if not bool(((x[:, 0] == 0) | (x[:, 0] == 1)).all()):
            raise OutsideSpace("Expected 0 or 1 for the first value.")

    def features(self, x: Tensor) -> Tensor:
        return self.events(x, torch.float64)

    @property
    def width(self) -> int:
        return 2

    def draw(self, n: int, *, device: torch.device | None = None) -> Tensor:
        bits = torch.randint(2, (n, 1), device=device).double()
        return torch.cat([bits, torch.randn(n, 1, dtype=torch.float64, device=device)], dim=1)

    def other(self, x: Tensor) -> Tensor:
        return torch.stack([1 - x[:, 0], x[:, 1] + 1.0], dim=1)

    def __str__(self) -> str:
        return "BitAndReal"


class Switched(ExactModel):
    """p(b, y) = p_b N(y; mean_b, 1)."""

    def __init__(self) -> None:
        super().__init__(BitAndReal(), dtype=torch.float64)
        self.logits = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self.mean = nn.Parameter(torch.tensor([-1.0, 2.0], dtype=torch.float64))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context)
        b = x[:, 0].long()
        return self.logits.log_softmax(0)[b] + normal_log_prob(x[:, 1], self.mean[b])

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        b = torch.multinomial(self.logits.softmax(0).expand(n, 2), 1).squeeze(1)
        return torch.stack([b.double(), self.mean[b] + torch.randn(n, dtype=torch.float64)], dim=1).detach()


def test_scores_say_what_they_are() -> None:
    x = torch.tensor([[0.0, -1.0], [1.0, 3.0]], dtype=torch.float64)
    score = loglik.evaluate(Switched(), x)
    truth = math.log(0.5) - 0.5 * math.log(2 * math.pi) - 0.25
    assert score.nats == pytest.approx(truth, abs=1e-12)
    assert score.bits_per_dim is None
    assert "some values are levels" in str(score)
    other = loglik.evaluate(loglik.build("gaussian", Real((2,))), x)
    with pytest.raises(UsageError, match="mass and density"):
        score - other


def test_laws_judge_what_they_can() -> None:
    report = loglik.check(Switched())
    report.raise_if_failed()
    assert report["total mass"].status is Status.UNDECIDED
    assert report["gradients"].status is Status.PASSED


def test_it_is_fitted_sampled_and_refuses_what_is_outside() -> None:
    x = Switched().sample(400)
    model = Switched()
    with torch.no_grad():
        model.mean.zero_()
    before = loglik.evaluate(model, x).nats
    loglik.fit(model, x, steps=60, lr=0.05)
    assert loglik.evaluate(model, x).nats > before + 0.5
    assert loglik.sample(model, 5).shape == (5, 2)
    with pytest.raises(OutsideSpace, match="0 or 1"):
        loglik.evaluate(model, torch.full((3, 2), 0.5))
    with pytest.raises(ShapeMismatch):
        loglik.evaluate(model, torch.zeros(3, 4))


def test_a_registered_model_of_it_is_saved_with_its_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from loglik import zoo

    monkeypatch.setattr(zoo, "ZOO", dict(zoo.ZOO))
    loglik.register("switched", lambda space: Switched())
    model = loglik.build("switched", BitAndReal())
    loaded = loglik.load(loglik.save(model, tmp_path / "run"))
    assert loaded.space == BitAndReal() == space_from_json(BitAndReal().to_json())


@pytest.mark.parametrize("space", [Real((2, 3)), Integer((3,), 300), BitAndReal()], ids=str)
def test_random_events_are_events_and_others_differ_everywhere(space: Space) -> None:
    x = space.draw(50)
    space.check(x)
    other = space.other(x)
    space.check(other)
    assert not bool((x == other).any())
