"""Batch normalisation in training: the log-determinant is that of the map which training takes."""

import pytest
import torch
from torch import Tensor, nn

from loglik.bijections.batch_norm import BatchNorm

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("shape", [(3,), (2, 2, 3)])
def test_the_log_determinant_of_training_is_that_of_autograd(shape: tuple[int, ...]) -> None:
    norm = BatchNorm(shape)
    norm.initialize(5.0 * torch.randn(50, *shape) + 2.0)
    nn.init.normal_(norm.log_gain)
    x = torch.randn(4, *shape)

    def flat(row: Tensor) -> Tensor:
        return norm(row.reshape(1, *shape))[0].flatten()

    truth = torch.linalg.slogdet(torch.autograd.functional.jacobian(flat, x[0].flatten())).logabsdet
    z, log_det = norm.training_forward(x)
    torch.testing.assert_close(log_det.detach(), truth.expand(4))
    assert not torch.equal(norm(x)[0], z), "the step has moved the running statistics"
