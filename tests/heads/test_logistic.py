"""Discretised logistics: the masses are exact at every scale, gradients stay finite, draws follow the masses."""

import math

import pytest
import torch
from torch import Tensor

from loglik.heads import ColourLogisticHead, LogisticHead
from loglik.heads.logistic import logistic_log_mass


def states(levels: int, colours: int) -> Tensor:
    """(levels^C, C): every state of a pixel, the last colour changing fastest."""
    return torch.cartesian_prod(*[torch.arange(levels)] * colours).reshape(-1, colours)


@pytest.mark.parametrize("levels", [2, 3, 5, 17, 256, 1000, 65_536])
def test_masses_sum_to_one_at_every_scale_and_place(levels: int) -> None:
    scale = torch.linspace(-7.0, 7.0, 8, dtype=torch.float64)
    mean = torch.tensor([-1e4, -70.0, -1.5, -1.0, -0.3, 0.0, 1.0 / 3.0, 1.0, 3.0, 330.0], dtype=torch.float64)
    log_mass = logistic_log_mass(torch.arange(levels)[:, None, None], mean[:, None], scale, levels)
    assert bool(torch.isfinite(log_mass).all())
    torch.testing.assert_close(log_mass.exp().sum(0), torch.ones(10, 8, dtype=torch.float64), rtol=0.0, atol=1e-12)


def test_the_mass_is_the_difference_of_sigmoids() -> None:
    """Where that difference has digits: the definition, on the paper's grid x / 127.5 - 1 with bins 2 / 255 wide."""
    x = torch.arange(256, dtype=torch.float64)
    mean, scale = 0.1, 0.05
    upper = torch.sigmoid((x / 127.5 - 1.0 + 1.0 / 255.0 - mean) / scale)
    lower = torch.sigmoid((x / 127.5 - 1.0 - 1.0 / 255.0 - mean) / scale)
    upper[-1], lower[0] = 1.0, 0.0
    ours = logistic_log_mass(x, torch.tensor(mean).double(), torch.tensor(scale).double().log(), 256)
    torch.testing.assert_close(ours.exp(), upper - lower, rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("levels", [2, 3, 256, 65_536])
def test_gradients_are_finite_everywhere(levels: int, dtype: torch.dtype) -> None:
    head = LogisticHead(levels, 2)
    x = torch.tensor([0, 1, levels // 2, levels - 2, levels - 1])[:, None, None]
    mean = torch.tensor([-1e6, -1.0, 0.0, 0.7, 1e6], dtype=dtype)[:, None]
    raw = torch.tensor([-1e4, -30.0, -7.0, 0.0, 7.0, 1e4], dtype=dtype)
    params = torch.stack([*torch.broadcast_tensors(raw * 0.0, raw * 1e-2, mean, -mean, raw, raw.flip(0))], dim=-1)
    params = params.expand(5, 5, 6, 6).clone().requires_grad_()
    log_prob = head.log_prob(params, x.expand(5, 5, 6))
    assert bool(torch.isfinite(log_prob).all())
    log_prob.sum().backward()  # type: ignore[no-untyped-call]
    assert params.grad is not None
    assert bool(torch.isfinite(params.grad).all())


def test_the_head_resolves_65536_levels() -> None:
    """A scale may shrink until one bin holds nearly everything, with a gradient left."""
    head = LogisticHead(65_536, 1).double()
    x = torch.tensor([40_000])
    params = torch.tensor([[0.0, 2.0 * 40_000 / 65_535 - 1.0, -30.0]], dtype=torch.float64)
    assert float(head.log_prob(params, x)) > -1e-3
    assert float(head.log_prob(params, x + 1)) < -7.0


def test_joint_mass_over_colours_is_one() -> None:
    torch.manual_seed(0)
    head = ColourLogisticHead(8, 3, 3)
    x = states(8, 3)
    params = 2.0 * torch.randn(4, 1, head.params, dtype=torch.float64)
    mass = head.log_prob(params.expand(4, 512, -1), x.expand(4, 512, 3)).exp().sum(-1)
    torch.testing.assert_close(mass, torch.ones(4, dtype=torch.float64), rtol=0.0, atol=1e-12)


@pytest.mark.parametrize(("levels", "components", "colours"), [(2, 2, 1), (2, 3, 4), (5, 2, 2), (3, 2, 3)])
def test_draws_follow_the_masses(levels: int, components: int, colours: int) -> None:
    """Chi-square over all states; a colour that ignored the earlier ones, or a draw that rounds down, is far off."""
    torch.manual_seed(1)
    head = ColourLogisticHead(levels, components, colours)
    params = torch.randn(head.params, dtype=torch.float64)
    x = states(levels, colours)
    n = 40_000
    expected = n * head.log_prob(params.expand(len(x), -1), x).exp()
    place = levels ** torch.arange(colours - 1, -1, -1)
    draws = head.sample(params.expand(n, -1))
    counts = torch.bincount((draws * place).sum(-1), minlength=len(x))
    enough = expected > 5.0
    chi_square = float(((counts - expected).square() / expected)[enough].sum())
    degrees = int(enough.sum())
    assert chi_square < degrees + 5.0 * math.sqrt(2.0 * degrees)


def test_green_follows_red_and_blue_both() -> None:
    """mu_G = m_G + alpha R, mu_B = m_B + beta R + gamma G, by hand for one component."""
    head = ColourLogisticHead(256, 1, 3)
    means, raw, coefficients = [0.1, -0.2, 0.3], [-3.0, -3.0, -3.0], [0.5, -0.4, 0.2]
    params = torch.tensor([0.0, *means, *raw, *coefficients], dtype=torch.float64)
    x = torch.tensor([200, 100, 30])
    red, green = 2.0 * 200 / 255 - 1.0, 2.0 * 100 / 255 - 1.0
    alpha, beta, gamma = (math.tanh(c) for c in coefficients)
    mean = torch.tensor([0.1, -0.2 + alpha * red, 0.3 + beta * red + gamma * green], dtype=torch.float64)
    _, _, log_scale, _ = head._read(params)
    by_hand = logistic_log_mass(x, mean, log_scale.squeeze(-1), 256).sum()
    torch.testing.assert_close(head.log_prob(params, x), by_hand)


def test_the_scalar_head_is_one_colour() -> None:
    torch.manual_seed(0)
    scalar, joint = LogisticHead(40, 3), ColourLogisticHead(40, 3, 1)
    params, x = torch.randn(7, scalar.params), torch.randint(40, (7,))
    torch.testing.assert_close(scalar.log_prob(params, x), joint.log_prob(params, x[:, None]))
    assert scalar.encode(x, torch.float32).shape == (7, 1)
    assert LogisticHead(5, 3).encode(x % 5, torch.float32).shape == (7, 5)


def test_colours_in_half_precision_are_scored_in_single() -> None:
    head = LogisticHead(256, 2)
    params = torch.zeros(3, head.params, dtype=torch.bfloat16)
    assert head.log_prob(params, torch.tensor([0, 7, 255])).dtype == torch.float32


@pytest.mark.parametrize(("levels", "bound"), [(2, 0.05), (256, 0.1), (65_536, 0.1)])
def test_the_start_is_near_the_marginal(levels: int, bound: float) -> None:
    """Two bumps: the mean log-likelihood at the start is within `bound` nats of the entropy of the data's bumps."""
    torch.manual_seed(0)
    side = torch.where(torch.rand(20_000) < 0.3, -0.5, 0.4)
    values = side + 0.08 * torch.randn(20_000)
    x = ((values + 1.0) * 0.5 * (levels - 1) + 0.5).floor().clamp(0, levels - 1).long()[:, None]
    head = LogisticHead(levels, 10)
    mean = float(head.log_prob(head.marginal(x).expand(len(x), 1, -1), x).mean())
    share = -(0.3 * math.log(0.3) + 0.7 * math.log(0.7))
    if levels == 2:
        truth = -share
    else:
        truth = -share - 0.5 * math.log(2.0 * math.pi * math.e * 0.08**2) - math.log((levels - 1) / 2.0)
    assert truth - bound < mean < truth + 0.02


def test_the_start_of_colours_keeps_them_together() -> None:
    """Dark pixels are dark in all colours: the shared component says so from the start."""
    torch.manual_seed(0)
    grey = torch.randint(256, (4000, 1))
    x = (grey + torch.randint(-3, 4, (4000, 3))).clamp(0, 255)
    head = ColourLogisticHead(256, 10, 3)
    joint = float(head.log_prob(head.marginal(x).expand(4000, -1), x).mean())
    assert joint > -3.0 * math.log(256.0) + 2.0 * math.log(10.0) - 1.5


def all_levels(head: LogisticHead, params: Tensor) -> Tensor:
    x = torch.arange(head.levels)
    return head.log_prob(params.expand(head.levels, -1), x).exp()


def test_a_wide_scale_is_flat_but_for_the_tails() -> None:
    params = torch.tensor([0.0, 0.0, 1e4], dtype=torch.float64)
    mass = all_levels(LogisticHead(256, 1), params)
    torch.testing.assert_close(mass[1:-1], mass[1:2].expand(254), rtol=1e-5, atol=0.0)
    assert float(mass[0]) == pytest.approx(0.5, abs=1e-2)
