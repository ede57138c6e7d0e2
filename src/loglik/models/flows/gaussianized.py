"""A density under Gaussianised marginals, as a model of integers: a copula with histograms for marginals."""

from loglik.bijections.compose import Chain
from loglik.bijections.elementwise import Gaussianize
from loglik.contract import ExactModel, Model
from loglik.models.dequantized import Dequantized
from loglik.models.flow import ExactFlow
from loglik.spaces import Integer, Real, Space

DRAWS = 8  # copies of each event, each with its own dequantisation noise


def gaussianized(space: Space, density: ExactModel) -> Model:
    """The density itself on reals; on integers

        log P(x) >= E_u log [p(z) |dz/dy|],  y = x + u,  z_d = Phi^-1(F_d(y_d)), with p(z) fitted by EM.

    Counts and pixels pile up at few levels, where no Gaussian can follow. Their own histograms can, and leave the
    density the dependence to model: it starts from the likelihood of independent histograms and can only gain.
    """
    if not isinstance(space, Integer):
        return density
    flow = ExactFlow(Real(space.shape), Chain([]), density, rescale=Gaussianize(space))
    return Dequantized(space, flow, draws=DRAWS)
