"""A flow over a latent model: its weights are those of its base, with the whole change of volume."""

import pytest
import torch

from loglik.bijections.compose import Chain
from loglik.bijections.elementwise import Standardize
from loglik.bijections.linear import ActNorm
from loglik.models.flow import Flow
from loglik.spaces import Real
from loglik.zoo import build

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("parts", ["rescale", "bijection", "both"])
def test_a_weight_is_the_one_draw_likelihood(parts: str) -> None:
    space = Real((3,))
    rescale = Standardize((3,)) if parts != "bijection" else None
    bijection = ActNorm((3,)) if parts != "rescale" else Chain([])
    model = Flow(space, bijection, build("vae", space, hidden=(4,), latents=1), rescale=rescale)
    x = 7.0 * torch.randn(30, 3) + 5.0
    with torch.no_grad():
        model.initialize(x)
        assert model.has_weights
        torch.manual_seed(1)
        weight = model.log_weight(x)
        torch.manual_seed(1)
        torch.testing.assert_close(weight, model.log_likelihood(x))
