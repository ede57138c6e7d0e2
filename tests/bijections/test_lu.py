"""The LU form begins where it is told to; its determinant and inverse are those of its matrix, wherever it moves."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from loglik.bijections.linear import Linear
from loglik.bijections.lu import LU, permutation, rotation
from loglik.densities import StandardNormal
from loglik.laws import Status, check
from loglik.models.flow import Flow
from loglik.spaces import Real

pytestmark = pytest.mark.usefixtures("float64")
STARTS: dict[str, Callable[[int], Tensor]] = {"rotation": rotation, "permutation": permutation, "identity": torch.eye}


def moved(weight: LU) -> LU:
    """Somewhere else than at the start, as training leaves it; also where nothing should be read."""
    with torch.no_grad():
        for parameter in weight.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return weight


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("start", STARTS)
def test_it_begins_at_the_start(start: str, size: int) -> None:
    matrix = STARTS[start](size)
    torch.testing.assert_close(LU(matrix).matrix(), matrix, rtol=0, atol=1e-13)


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("start", STARTS)
def test_determinant_and_inverse(start: str, size: int) -> None:
    weight = moved(LU(STARTS[start](size)))
    W = weight.matrix()
    assert abs(weight.log_abs_det().item()) > 1e-3
    torch.testing.assert_close(weight.log_abs_det(), torch.linalg.slogdet(W).logabsdet)
    torch.testing.assert_close(W @ weight.inverse(), torch.eye(size), rtol=0, atol=1e-11)
    z = torch.randn(size, 5)
    torch.testing.assert_close(W @ weight.solve(z), z, rtol=0, atol=1e-11)


def test_a_rotation_is_orthogonal_and_has_no_preferred_sign() -> None:
    R = rotation(5)
    torch.testing.assert_close(R @ R.T, torch.eye(5), rtol=0, atol=1e-13)
    signs = torch.stack([rotation(2)[0, 0].sign() for _ in range(200)])
    assert 70 < int((signs > 0).sum()) < 130


def test_every_number_moves_the_matrix_but_those_of_the_unused_diagonal() -> None:
    weight = moved(LU(rotation(3)))
    (gradient,) = torch.autograd.grad((weight.matrix() * torch.randn(3, 3)).sum(), [weight.triangles])
    assert bool((gradient.diagonal() == 0).all())
    assert bool((gradient + torch.eye(3) != 0).all())


@pytest.mark.parametrize("size", [1, 2, 7])
def test_laws(size: int) -> None:
    space = Real((size,))
    report = check(Flow(space, Linear(moved(LU(rotation(size)))), StandardNormal(space)), torch.randn(20, size))
    for law in ("inverse", "log-determinant", "events apart", "inputs unchanged", "gradients", "persistence"):
        assert report[law].status is Status.PASSED, report[law].detail


def test_half_precision_is_for_nets_alone() -> None:
    weight = LU(rotation(9)).float()
    x = torch.randn(4, 9, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        z, log_det = Linear(weight)(x)
        back, _ = Linear(weight).inverse(z)
    assert z.dtype == log_det.dtype == torch.float32
    torch.testing.assert_close(back, x, rtol=0, atol=1e-5)


def test_a_linear_layer_starts_by_standardising_its_data() -> None:
    layer = Linear(moved(LU(rotation(3))))
    x = torch.randn(500, 3) @ torch.randn(3, 3) + torch.tensor([5.0, -2.0, 100.0])
    before = layer(x)[0]
    z = layer.initialize(x)
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=1e-9, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(3), atol=1e-9, rtol=0)
    torch.testing.assert_close(z, (before - before.mean(0)) / before.std(0, correction=0))
    torch.testing.assert_close(layer.initialize(x), z)
    constant = Linear(LU(torch.eye(2))).initialize(torch.full((10, 2), 7.0))
    assert not bool(constant.any())
