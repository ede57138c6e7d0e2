"""What training maximises is the likelihood that is reported: with the same weights and nothing dropped, one number."""

from typing import Any

import pytest
import torch

from loglik.spaces import Real, Space
from loglik.zoo import build

pytestmark = pytest.mark.usefixtures("float64")
SMALL: dict[str, Any] = {"layers": 3, "hidden": (8,)}
FLOWS: dict[str, tuple[str, Space, dict[str, Any]]] = {
    "nice": ("nice", Real((3,)), {"hidden": (8,)}),
    "real nvp": ("realnvp", Real((3,)), SMALL),
    "real nvp, batch norm": ("realnvp", Real((3,)), {**SMALL, "norm": "batch"}),
    "real nvp on images": ("realnvp-images", Real((1, 4, 4)), {"width": 4, "layers": 1, "norm": "batch"}),
    "glow": ("glow", Real((2, 4, 4)), {"width": 4, "layers": 1}),
    "maf": ("maf", Real((3,)), {**SMALL, "norm": "batch", "base": "mixture", "components": 2}),
    "iaf": ("iaf", Real((3,)), {"layers": 2, "hidden": (8,)}),
    "nsf": ("nsf", Real((3,)), {"layers": 2, "hidden": (8,), "bins": 4}),
}


@pytest.mark.parametrize("name", FLOWS)
def test_the_objective_in_training_is_the_log_likelihood(name: str) -> None:
    kind, space, given = FLOWS[name]
    model = build(kind, space, **given)
    x = 2.0 * torch.randn(40, *space.shape) @ torch.randn(space.shape[-1], space.shape[-1])
    with torch.no_grad():
        model.initialize(x)
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.eval()
    truth = model.log_likelihood(x).detach()
    model.train()
    torch.testing.assert_close(model.objective(x).detach(), truth)
