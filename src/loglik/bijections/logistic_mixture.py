"""The CDF of a mixture of logistics, taken back to the line: an increasing map that can be steep in several places.

Ho, Chen, Srinivas, Duan, Abbeel 2019, Flow++: Improving Flow-Based Generative Models with Variational Dequantization
and Architecture Design, arXiv:1902.00275, section 3.2.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.bijections.transform import Transform
from loglik.errors import UsageError

Mixture = tuple[Tensor, Tensor, Tensor]  # log pi, means, log s: each (K, *any), the components outermost

APART = 1.0  # at the start the components' means lie within +-1
LIMIT = 5.0  # log s and the log scale stay within +-5
MOST_STEPS = 200  # of the search; halving alone takes 64 to the last digit of a float64


class LogisticMixture(Transform):
    """z = (logit F(x) - shift) exp(-log_scale),   F(x) = sum_k pi_k sigma(t_k),   t_k = (x - mean_k) / s_k.

    h_d are the K logits of pi, the K means, the K log s, the shift and the log scale. The inverse has no formula. But
    y = logit F(x) lies between the smallest and the largest t_k, so x lies between the smallest and the largest
    mean_k + s_k y: in there Newton's steps, halved wherever they do not close in, find x to the last digit. A last step
    carries the gradients (implicit function theorem).
    """

    def __init__(self, components: int = 8) -> None:
        super().__init__()
        if components < 1:
            raise UsageError(f"Expected components >= 1; got {components}.")
        self.components = components
        self.params = 3 * components + 2

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        mixture, shift, log_scale = self._read(h)
        y, log_slope = logit_of_cdf(x, mixture)
        return (y - shift) * torch.exp(-log_scale), log_slope - log_scale

    def inverse(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        mixture, shift, log_scale = self._read(h)
        y = z * torch.exp(log_scale) + shift
        x = where_logit_is(y.detach(), (mixture[0].detach(), mixture[1].detach(), mixture[2].detach()))
        found, log_slope = logit_of_cdf(x, mixture)
        x = x - (found - y) * torch.exp(-log_slope).detach()
        return x, log_scale - logit_of_cdf(x, mixture)[1]

    def identity(self) -> Tensor:
        """z = x with one component, and nearly so with more: components that began alike would stay alike for ever."""
        k = self.components
        means = torch.linspace(-APART, APART, k) if k > 1 else torch.zeros(1)
        even = torch.full((k,), 1.0 / k).log()
        _, log_slope = logit_of_cdf(torch.zeros(()), (even, means, torch.zeros(k)))
        raw = LIMIT * torch.atanh(log_slope / LIMIT)  # so that the slope in the middle is 1
        return torch.cat([torch.zeros(k), means, torch.zeros(k + 1), raw.reshape(1)])

    def _read(self, h: Tensor) -> tuple[Mixture, Tensor, Tensor]:
        """The mixture, the shift (*any,) and the log scale (*any,)."""
        logits, means, raw, affine = torch.split(h.movedim(-1, 0), [*[self.components] * 3, 2])
        return (torch.log_softmax(logits, 0), means, softly_held(raw)), affine[0], softly_held(affine[1])


def softly_held(raw: Tensor) -> Tensor:
    """Within +-LIMIT, and nearly as it is near 0."""
    return LIMIT * torch.tanh(raw / LIMIT)


def logit_of_cdf(x: Tensor, mixture: Mixture) -> tuple[Tensor, Tensor]:
    """log F - log(1 - F) and the log of its slope, (*any,) each.

    With w_k and v_k the shares of the components in F and in 1 - F, and since 1 / (F (1 - F)) = 1 / F + 1 / (1 - F),

        d logit F / dx = sum_k [w_k sigma(-t_k) + v_k sigma(t_k)] / s_k.

    All terms are positive, so nothing cancels, however far out x is.
    """
    log_pi, means, log_s = mixture
    t = (x - means) * torch.exp(-log_s)
    log_below = F.logsigmoid(t)  # log sigma(t)
    log_above = log_below - t  # log sigma(-t)
    log_cdf, log_w = _log_sum_and_shares(log_pi + log_below)
    log_rest, log_v = _log_sum_and_shares(log_pi + log_above)
    log_slope = torch.cat([log_w + log_above - log_s, log_v + log_below - log_s]).logsumexp(0)
    return log_cdf - log_rest, log_slope


def _log_sum_and_shares(log_terms: Tensor) -> tuple[Tensor, Tensor]:
    """log sum_k e^{u_k} and log of each term's share in it; of the largest term no digit is lost."""
    largest = log_terms.detach().amax(0)
    relative = log_terms - largest
    log_sum = relative.exp().sum(0).log()
    return largest + log_sum, relative - log_sum


@torch.no_grad()
def where_logit_is(y: Tensor, mixture: Mixture) -> Tensor:
    """x with logit F(x) = y, by Newton's method kept in a bracket."""
    _, means, log_s = mixture
    ends = means + torch.exp(log_s) * y
    low, high = ends.amin(0), ends.amax(0)
    x = 0.5 * (low + high)
    last = high - low
    for _ in range(MOST_STEPS):
        found, log_slope = logit_of_cdf(x, mixture)
        excess = found - y
        low, high = torch.where(excess < 0, x, low), torch.where(excess > 0, x, high)
        step = -excess * torch.exp(-log_slope)
        newton = x + step
        closes_in = (newton >= low) & (newton <= high) & (step.abs() <= 0.5 * last)
        new = torch.where(closes_in, newton, 0.5 * (low + high))
        last = (new - x).abs()
        x = new
        if bool((last <= torch.finfo(x.dtype).eps * (1.0 + x.abs())).all()):
            break
    return x
