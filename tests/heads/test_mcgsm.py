"""The factorised MCGSM: it integrates to one, draws from its density, and holds the mixture of linear experts."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import Tensor

from loglik.heads.mcgsm import MCGSM, MCGSMHead

pytestmark = pytest.mark.usefixtures("float64")


def varied(inputs: int, values: int) -> MCGSM:
    """All parameters far from their start, so that the gate and the scales matter."""
    torch.manual_seed(0)
    model = MCGSM(inputs, values, components=3, scales=2, features=4)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return model


def line(reach: float, points: int) -> tuple[Tensor, Tensor]:
    """x = sinh t: points and the lengths they stand for."""
    t = torch.linspace(-reach, reach, points)
    return torch.sinh(t), torch.cosh(t) * (t[1] - t[0])


def test_integrates_to_one_over_one_value() -> None:
    model = varied(3, 1)
    y, length = line(7.0, 4001)
    for h in torch.randn(5, 3):
        p = model.log_prob(y[:, None], h.expand(len(y), -1)).exp().detach()
        assert float((p * length).sum()) == pytest.approx(1.0, abs=1e-8)


def test_integrates_to_one_over_two_values() -> None:
    model = varied(3, 2)
    y, length = line(5.5, 401)
    grid = torch.cartesian_prod(y, y)
    p = model.log_prob(grid, torch.randn(3).expand(len(grid), -1)).exp().detach()
    assert float((p * torch.cartesian_prod(length, length).prod(1)).sum()) == pytest.approx(1.0, abs=1e-8)


def test_without_energies_it_is_a_mixture_of_linear_gaussian_experts() -> None:
    model = varied(3, 2)
    with torch.no_grad():
        model.beta.zero_()
        model.w.zero_()
    h, y = torch.randn(6, 3), torch.randn(6, 2)
    weight = torch.softmax(model.eta.flatten(), 0).reshape(3, 2)
    total = torch.zeros(6)
    for c in range(3):
        for s in range(2):
            precision = model.alpha[c, s].exp() * model.factor[c] @ model.factor[c].T
            expert = torch.distributions.MultivariateNormal(h @ model.A[c].T + model.u[c], precision_matrix=precision)
            total += weight[c, s] * expert.log_prob(y).exp()
    torch.testing.assert_close(model.log_prob(y, h), total.log())
    torch.testing.assert_close(model.log_gate(h), weight.flatten().log().expand(6, -1))


def test_the_gate_as_in_the_original_with_a_full_matrix_for_each_component() -> None:
    model = varied(3, 1)
    h = torch.randn(5, 3)
    K = torch.einsum("cf,fi,fj->cij", model.beta.square(), model.b, model.b)
    energy = h @ model.w.T - 0.5 * torch.einsum("bi,cij,bj->bc", h, K, h)
    gate = torch.softmax((model.eta + model.alpha.exp() * energy[..., None]).flatten(1), 1)
    torch.testing.assert_close(model.log_gate(h).exp(), gate)


def test_draws_follow_the_density() -> None:
    model = varied(2, 1)
    h = torch.tensor([0.8, -0.5])
    y, length = line(7.0, 4001)
    with torch.no_grad():
        cdf = (model.log_prob(y[:, None], h.expand(len(y), -1)).exp() * length).cumsum(0).numpy()
        noise = torch.cat([torch.rand(4000, 1), torch.randn(4000, 1)], 1)
        drawn = model.draw(h.expand(4000, -1), noise)[:, 0].numpy()
    assert kstest(drawn, lambda v: np.interp(v, y.numpy(), cdf)).pvalue > 1e-3
    assert kstest(1.1 * drawn, lambda v: np.interp(v, y.numpy(), cdf)).pvalue < 1e-3


def test_colours_are_drawn_and_scored_one_after_the_other() -> None:
    """p(y) of three colours is the product of its two mixtures and |det L|; draws invert the same whitening."""
    torch.manual_seed(0)
    head = MCGSMHead(2, 3, components=2, scales=2, features=3)
    L = torch.tensor([[2.0, 0.0, 0.0], [0.3, 0.5, 0.0], [-1.0, 0.2, 3.0]])
    params = torch.cat([torch.randn(2), torch.tensor([10.0, 20.0, 30.0]), L.flatten()]).expand(7, -1)
    x = torch.randn(7, 3) + 20.0
    h, white = params[:, :2], (x - params[:, 2:5]) @ L.T
    assert head.rest is not None
    given = torch.cat([h, white[:, :1]], 1)
    expected = head.first.log_prob(white[:, :1], h) + head.rest.log_prob(white[:, 1:], given) + torch.logdet(L)
    torch.testing.assert_close(head.log_prob(params, x), expected)
    noise = head.noise((7,), params)
    back = (head.draw(params, noise) - params[:, 2:5]) @ L.T
    torch.testing.assert_close(back[:, :1], head.first.draw(h, noise[:, :2]))
    torch.testing.assert_close(back[:, 1:], head.rest.draw(torch.cat([h, back[:, :1]], 1), noise[:, 2:]))


def test_starts_at_the_linear_prediction() -> None:
    torch.manual_seed(0)
    model = MCGSM(3, 2, components=400, scales=1, features=2)
    h, eps = torch.randn(5000, 3) + 1.0, 0.1 * torch.randn(5000, 2)
    A = torch.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]])
    model.start(h @ A.T + 5.0 + eps, h)
    torch.testing.assert_close(model.A.mean(0), A, atol=0.03, rtol=0)
    torch.testing.assert_close(model.A.std(0), torch.full((2, 3), 0.1), atol=0.02, rtol=0)
    torch.testing.assert_close(model.u + model.A @ h.mean(0), (h.mean(0) @ A.T + 5.0).expand(400, 2), atol=0.01, rtol=0)
    covariance = torch.linalg.inv(model.factor[0] @ model.factor[0].T)
    torch.testing.assert_close(covariance, 0.01 * torch.eye(2), atol=0.001, rtol=0)
