"""The pictures of the lectures draw what the numbers say."""

import math

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

import loglik
from loglik import Real
from loglik.report import em_steps, map_and_predictive, naive_failure
from loglik.report.palette import SERIES, light


def two_clusters() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 2, generator=generator, dtype=torch.float64)
    return x + 8.0 * (torch.arange(200)[:, None] % 2)


def test_em_ends_with_a_colour_and_an_ellipse_for_each_cluster() -> None:
    """The ellipses lie two deviations from the means of the clusters, as counted; the likelihood never falls."""
    x = two_clusters()
    figure = em_steps(loglik.build("gmm", Real((2,)), components=2), x, shown=(0, 2, 40), seed=1)
    start, _, last, rise = figure.axes
    log_p = np.asarray(rise.lines[0].get_ydata())
    assert len(log_p) == 41
    assert (np.diff(log_p) > -1e-10).all()
    assert list(rise.lines[1].get_xdata()) == [0, 2, 40]
    middles = []
    for line in last.lines:
        ellipse = np.stack(line.get_data())[:, :-1]
        middles.append(ellipse.mean(1))
        cluster = x[int(middles[-1].mean() > 4.0) :: 2]
        inverse = np.linalg.inv(np.cov(cluster.T.numpy(), bias=True))
        off = ellipse - cluster.mean(0).numpy()[:, None]
        assert np.sqrt(np.einsum("in,ij,jn->n", off, inverse, off)) == pytest.approx(2.0, abs=1e-3)
    colours = last.collections[0].get_facecolors()[:, :3]
    own = [to_rgb(light(SERIES[k])) for k in np.argsort([middle.mean() for middle in middles])]
    assert np.abs(colours[0::2] - own[0]).max() < 1e-3
    assert np.abs(colours[1::2] - own[1]).max() < 1e-3
    assert np.ptp(start.collections[0].get_facecolors()[:, :3], axis=0).max() > 0.0


def test_naive_draws_grow_as_an_exponential_of_the_latents() -> None:
    """By the formula of two normals: (e^D2 - 1) / 0.01 of the middle event, D2 a sum over independent latents."""
    latents = (1, 2, 4, 8)
    formula, seen = (np.asarray(line.get_ydata()) for line in naive_failure(latents, noise=0.1).axes[0].lines)
    per_latent = np.log(formula * 0.01 + 1.0) / latents
    assert per_latent == pytest.approx(_second_moment(0.1), rel=0.35)
    assert seen[0] == pytest.approx(formula[0], rel=0.3)
    assert seen[-1] < 0.5 * formula[-1]


def _second_moment(noise: float) -> float:
    """E_x D2(N(m, s) | N(0, 1)) for x = z + noise: m = x / (1 + noise), s = noise / (1 + noise), in one dimension.

    log int N(z|m, s)^2 / N(z|0, 1) dz = m^2 / (2 - s) - log(s (2 - s)) / 2
    """
    s = noise / (1.0 + noise)
    return (1.0 / (1.0 + noise)) / (2.0 - s) - 0.5 * math.log(s * (2.0 - s))


def _mass(density: np.ndarray, at: np.ndarray) -> float:
    return float(torch.trapezoid(torch.from_numpy(density), torch.from_numpy(at)))


def test_the_predictive_has_the_tails_of_a_student() -> None:
    """Each curve has mass 1; three data at a known prior give a t whose formula is written down here."""
    x = torch.tensor([[-1.0], [0.0], [2.5]], dtype=torch.float64)
    model = loglik.build("bayes-gaussian", Real((1,)), mean=0.0, scale=1.0)
    loglik.fit(model, x)
    of_p, of_log_p = map_and_predictive(model, x).axes  # type: ignore[arg-type]
    at = np.asarray(of_p.lines[0].get_xdata())
    plug_in, predictive = (np.asarray(line.get_ydata()) for line in of_p.lines[:2])
    assert _mass(plug_in, at) == pytest.approx(1.0, abs=1e-6)
    assert 0.95 < _mass(predictive, at) < 1.0
    assert predictive[[0, -1]].min() > 100.0 * plug_in[[0, -1]].max()
    assert np.asarray(of_log_p.lines[1].get_ydata()) == pytest.approx(np.log(predictive))
    assert predictive == pytest.approx(model.log_prob(torch.from_numpy(at)[:, None]).exp().numpy())
    mean, covariance = model.mode()  # type: ignore[operator]
    peak = at[plug_in.argmax()]
    assert peak == pytest.approx(float(mean), abs=0.02)
    assert plug_in.max() == pytest.approx(1.0 / math.sqrt(2.0 * math.pi * float(covariance)), rel=1e-3)
    assert list(of_p.lines[2].get_xdata()) == [-1.0, 0.0, 2.5]
