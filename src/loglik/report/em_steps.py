"""EM of a mixture in the plane, pass by pass: whose each point is, and the log-likelihood that never falls."""

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from loglik.inference.randomness import seeded
from loglik.models.latent.gmm.model import GaussianMixture
from loglik.report.drawing import canvas, styled
from loglik.report.palette import SERIES, light
from loglik.report.plane import around

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = 200.0  # pixels at least, across and up
POINTS = 300
DEVIATIONS = 2.0  # of a component, at its ellipse
CORNERS = 61  # of an ellipse
CAPTION = (
    "EM from random rows as means and a share of the whole covariance: no start for a fit, but one that shows how it "
    "goes. Each point has the colours of its components as far as they are responsible for it; the ellipses are at two "
    "deviations. The log-likelihood rises with every pass."
)


def em_steps(
    model: GaussianMixture, x: Tensor, *, shown: Sequence[int] = (0, 1, 3, 10), seed: int = 0, width: float = 1080
) -> "Figure":
    """One panel for each number of passes in `shown`, and the mean log-likelihood against the passes.

    Args:
        model: a mixture of Real((2,)); its kind of covariance and its number of components are used, and it stays as it
            is. x: (N, 2), without gaps.

    >>> import torch, loglik
    >>> from loglik.report import em_steps
    >>> model = loglik.build("gmm", loglik.Real((2,)), components=2)
    >>> len(em_steps(model, torch.randn(50, 2), shown=(0, 5)).axes)
    3
    """
    passes = [_state(at, x) for at in _passes(model, x, max(shown), seed)]
    columns = max(1, min(len(shown) + 1, int(width // PANEL)))
    rows = -(-(len(shown) + 1) // columns)
    with styled():
        figure = canvas(width, rows * max(PANEL, width / columns))
        panels = [figure.add_subplot(rows, columns, place + 1) for place in range(len(shown) + 1)]
        for axes, step in zip(panels, shown, strict=False):
            _clusters(axes, x, *passes[step][:3])
            axes.set_title("the start" if not step else f"after {step} passes" if step > 1 else "after 1 pass")
        _rise(panels[-1], [state[3] for state in passes], shown)
        return figure


def _passes(model: GaussianMixture, x: Tensor, most: int, seed: int) -> list[GaussianMixture]:
    """The model at its start and after each pass."""
    K = model.components
    model = copy.deepcopy(model).requires_grad_(False)
    with seeded(seed):
        model.initialize(x)
        means = x[torch.randperm(len(x))[:K]]
    model.start(torch.full((K,), 1.0 / K), means, (x.double().T.cov() / K).expand(K, 2, 2))
    states = [copy.deepcopy(model)]
    for _ in range(most):
        model.maximize(model.expect(x))
        states.append(copy.deepcopy(model))
    return states


def _state(model: GaussianMixture, x: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
    """Responsibilities (N, K), means (K, 2), covariances (K, 2, 2), mean log p(x)."""
    log_joints = model.log_joints(x).double()
    log_p = log_joints.logsumexp(1)
    return log_joints.softmax(1), model.means.double(), model.covariances.double(), float(log_p.mean())


def _clusters(axes: "Axes", x: Tensor, r: Tensor, means: Tensor, covariances: Tensor) -> None:
    from matplotlib.colors import to_rgb

    names = [light(SERIES[k % len(SERIES)]) for k in range(r.shape[1])]
    blended = r[:POINTS] @ torch.tensor([to_rgb(name) for name in names], dtype=r.dtype)
    left, right, bottom, top = around(x)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.scatter(x[:POINTS, 0].numpy(), x[:POINTS, 1].numpy(), s=6, c=blended.clamp(0.0, 1.0).numpy(), linewidths=0)
    turn = torch.linspace(0.0, 2.0 * math.pi, CORNERS, dtype=r.dtype)
    circle = torch.stack([turn.cos(), turn.sin()])
    for mean, root, name in zip(means, torch.linalg.cholesky(covariances), names, strict=True):
        across, up = mean[:, None] + DEVIATIONS * root @ circle
        axes.plot(across.numpy(), up.numpy(), color=name)


def _rise(axes: "Axes", log_p: list[float], shown: Sequence[int]) -> None:
    axes.plot(range(len(log_p)), log_p, color=light("ink"), linewidth=1.0)
    axes.plot(shown, [log_p[step] for step in shown], "o", color=light("ink"), markersize=4)
    axes.set_xlabel("passes of EM")
    axes.set_title("log-likelihood per point")
