"""With few data: the density at the MAP parameters beside the posterior predictive, whose tails are wider."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from loglik.models.bayes.linear_gaussian import LinearGaussian
from loglik.report.drawing import canvas, styled
from loglik.report.palette import light

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELLS = 301
REACH = 6.0  # deviations of the MAP density on either side


def map_and_predictive(model: LinearGaussian, x: Tensor, *, width: float = 1080) -> "Figure":
    """p(x) of both, and log p(x), where the tails can be seen; the data as ticks.

    Args:
        model: a fitted `bayes-gaussian` of Real((1,)). x: the data, (N, 1).

    >>> import torch, loglik
    >>> from loglik.report import map_and_predictive
    >>> x = torch.tensor([[0.1], [0.4], [1.3]])
    >>> model = loglik.build("bayes-gaussian", loglik.Real((1,)), mean=0.0, scale=1.0)
    >>> history = loglik.fit(model, x)
    >>> plug_in, predictive = (line.get_ydata() for line in map_and_predictive(model, x).axes[1].lines[:2])
    >>> bool(predictive[0] > plug_in[0])  # far from the data
    True
    """
    mean, covariance = model.mode()
    plug_in = torch.distributions.Normal(mean.flatten().double(), covariance.flatten().double().sqrt())
    values = plug_in.mean + REACH * plug_in.stddev * torch.linspace(-1.0, 1.0, CELLS, dtype=torch.float64)
    curves = {
        "MAP": ("vermillion", plug_in.log_prob(values)),
        "posterior predictive": ("blue", model.log_prob(values[:, None]).double()),
    }
    with styled():
        figure = canvas(width, 320)
        of_p, of_log_p = figure.subplots(1, 2)
        for name, (colour, log_p) in curves.items():
            of_p.plot(values.numpy(), log_p.exp().numpy(), color=light(colour), label=name)
            of_log_p.plot(values.numpy(), log_p.numpy(), color=light(colour), label=name)
        for axes, title in ((of_p, "p(x)"), (of_log_p, "log p(x), nats")):
            across = axes.get_xaxis_transform()
            axes.plot(x.flatten().numpy(), [0.02] * len(x), "|", transform=across, color=light("ink"), label="data")
            axes.set_title(title)
            axes.set_xlabel("x")
        of_p.legend(frameon=False)
        return figure
