"""The transformer: all of the past is visible in every order, and sampling continues from what is given."""

import pytest
import torch

from loglik.errors import UsageError
from loglik.laws.causality import visible
from loglik.laws.subject import any_events, varied
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.transformer import steps as attention_steps
from loglik.models.flow import Flow
from loglik.spaces import Category, Integer, Real, Space
from loglik.zoo import build

SMALL = {"width": 8, "heads": 2, "layers": 1}


def disturbed(space: Space, **hyperparameters: object) -> Autoregressive:
    """Parameters off their special starting values, in float64."""
    torch.manual_seed(0)
    model = build("transformer", space, **{**SMALL, **hyperparameters}).double().eval()
    part = varied(model, any_events(space, 8, model), None, 0)
    assert isinstance(part, Autoregressive)
    return part


@pytest.mark.parametrize("space", [Category((7,), 3), Integer((3, 2, 3), 4), Integer((4, 3), 2)], ids=str)
def test_every_value_sees_its_whole_past(space: Space) -> None:
    model = disturbed(space)
    seen = visible(model, any_events(space, 8, model))[model.order][:, model.order]
    assert torch.equal(seen, torch.ones(space.dims, space.dims).tril(-1).bool())


def test_a_given_beginning_is_kept_and_followed_by_its_own_conditionals() -> None:
    space = Integer((3, 2, 2), 3)
    model = disturbed(space)
    upper = torch.tensor([0, 2, 1, 1, 0, 2]).reshape(1, 3, 1, 2)
    torch.manual_seed(1)
    drawn = model.sample_guided(4000, given=upper)
    assert torch.equal(drawn[:, :, :1], upper.expand(4000, -1, -1, -1))
    first_below = model.conditionals(drawn[:1])[0, 0, 1, 0].softmax(-1)
    found = torch.bincount(drawn[:, 0, 1, 0], minlength=3) / 4000
    assert torch.allclose(found.double(), first_below, atol=0.03)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(UsageError, match="heads that divide the width"):
        build("transformer", Category((4,), 3), width=8, heads=3)


@pytest.mark.parametrize("space", [Category((9,), 4), Integer((4, 3), 2), Integer((9,), 40), Real((9,))], ids=str)
def test_the_compiled_loop_draws_what_the_steps_draw(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    built = build("transformer", space, width=12, heads=3, layers=2, context=Category((), 2)).double().eval()
    model = built.base if isinstance(built, Flow) else built
    assert isinstance(model, Autoregressive)
    with torch.no_grad():
        for parameter in model.net.parameters():
            parameter.normal_(0.0, 0.5)
    c, draws = torch.tensor([0, 1]), []
    for worth in (attention_steps.WORTH_COMPILING, 0):
        monkeypatch.setattr(attention_steps, "WORTH_COMPILING", worth)
        torch.manual_seed(1)
        draws.append(model.sample(2, c))
        draws.append(model.sample_guided(2, c, given=draws[0][:, :2]))
    assert torch.allclose(draws[0], draws[2], atol=1e-9)
    assert torch.allclose(draws[1], draws[3], atol=1e-9)
