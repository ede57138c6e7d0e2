"""How many draws from the prior the naive estimate of log p(x) takes, against the number of latents."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from loglik.contract import Model
from loglik.inference.latent.marginal import ERROR, marginal_likelihood
from loglik.inference.randomness import seeded
from loglik.report.drawing import panel, styled
from loglik.report.palette import light
from loglik.spaces import Real
from loglik.zoo import build

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVENTS, DRAWS = 100, 1000


def naive_failure(
    latents: Sequence[int] = (1, 2, 4, 8, 16, 32), *, noise: float = 0.1, seed: int = 0, width: float = 520
) -> "Figure":
    """Draws for an error of 0.1 nats of the middle event: by the formula, and as seen in 1000 draws.

    The model is `ppca` where x has a copy of each latent, with a variance of `noise`. What is seen falls behind the
    formula as soon as no draw comes near: then the estimate is wrong and does not know it.

    >>> from loglik.report import naive_failure
    >>> draws = naive_failure((1, 2, 4)).axes[0].lines[0].get_ydata()
    >>> bool(draws[0] < draws[1] < draws[2])
    True
    """
    predicted, measured = [], []
    with seeded(seed):
        for count in latents:
            model = noisy_copies(count, noise)
            found = marginal_likelihood(model, model.sample(EVENTS), method="naive", samples=DRAWS, seed=seed)
            predicted.append(float(found.draws_for(ERROR).median()))
            measured.append(float(found.measured.median()) / ERROR**2)
    with styled():
        figure, axes = panel(width, 380)
        axes.plot(latents, predicted, "o-", color=light("blue"), markersize=4, label="by the formula")
        axes.plot(
            latents, measured, "s--", color=light("vermillion"), markersize=4, label=f"as {DRAWS} draws make it seem"
        )
        axes.set_yscale("log")
        axes.set_xlabel("latents")
        axes.set_ylabel(f"naive draws for an error of {ERROR} nats")
        axes.legend(frameon=False)
        axes.grid(axis="y")
        return figure


def noisy_copies(latents: int, noise: float) -> Model:
    """`ppca`: x has a copy of each latent and a value without any, all with a variance of `noise`."""
    model = build("ppca", Real((latents + 1,)), latents=latents, standardize=False)
    with torch.no_grad():
        model.get_buffer("weight").copy_(torch.eye(latents + 1, latents))
        model.get_buffer("variance").fill_(noise)
    return model
