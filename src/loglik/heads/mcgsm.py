"""The factorised mixture of conditional Gaussian scale mixtures (MCGSM): a density of y whose shape a vector h steers.

Theis, Hosseini, Bethge 2012, Mixtures of conditional Gaussian scale mixtures applied to multiscale image
representations, PLoS ONE 7(7); factorised as in Theis, Bethge 2015, Generative Image Modeling Using Spatial LSTMs,
arXiv:1506.03478, equation 7, with the starting values of the authors' code (lucastheis/cmt).
"""

import torch
from torch import Tensor, nn

from loglik.densities import LOG_2PI
from loglik.heads.head import Head
from loglik.ops import at_least_float32

RIDGE = 1e-4  # of the first linear prediction of y, and of its error, relative to their variance


class MCGSM(nn.Module):
    """p(y|h) = sum_cs p(c, s|h) N(y; A_c h + u_c, exp(-alpha_cs) (L_c L_c^T)^-1),  h (..., N), y (..., M)

        p(c, s|h)  ~  exp(eta_cs + exp(alpha_cs) (w_c^T h - 1/2 sum_f beta_cf^2 (b_f^T h)^2))

    for K `components` of S `scales` each. The features b_f are shared by all components, which is what is factorised:
    in the original every component has a full matrix sum_f beta_cf^2 b_f b_f^T of its own. L_c is lower triangular
    with a positive diagonal. With beta = w = 0 it is an ordinary mixture of linear-Gaussian experts.
    """

    def __init__(self, inputs: int, values: int, components: int, scales: int, features: int) -> None:
        super().__init__()
        K, S, F, N, M = components, scales, features, inputs, values
        self.eta = nn.Parameter(torch.zeros(K, S))
        self.alpha = nn.Parameter(torch.randn(K, S) / 20.0)
        self.beta = nn.Parameter(torch.rand(K, F) / 100.0 + 0.01)
        self.b = nn.Parameter(torch.randn(F, N) / 100.0)
        self.w = nn.Parameter(torch.zeros(K, N))
        self.A = nn.Parameter(torch.randn(K, M, N) / 10.0)
        self.u = nn.Parameter(torch.zeros(K, M))
        self.L = nn.Parameter(torch.zeros(K, M, M))  # the logarithm of the diagonal, and what is below it

    @property
    def factor(self) -> Tensor:
        """(K, M, M): L_c."""
        return self.L.tril(-1) + torch.diag_embed(self.L.diagonal(dim1=-2, dim2=-1).exp())

    def log_gate(self, h: Tensor) -> Tensor:
        """(..., N) -> log p(c, s|h), (..., K S)."""
        energy = h @ self.w.T - 0.5 * (h @ self.b.T).square() @ self.beta.square().T
        gate = (self.eta + self.alpha.exp() * energy.unsqueeze(-1)).flatten(-2)
        return gate - gate.logsumexp(-1, keepdim=True)

    def log_prob(self, y: Tensor, h: Tensor) -> Tensor:
        """(..., M), (..., N) -> (...)"""
        K, M, N = self.A.shape
        error = y.unsqueeze(-2) - self.u - (h @ self.A.view(K * M, N).T).reshape(*h.shape[:-1], K, M)
        # |L_c^T error|^2, one multiplication for each where y is a single value.
        white = error * self.L.exp()[..., 0] if M == 1 else torch.einsum("...cm,cmn->...cn", error, self.factor)
        square = white.square().sum(-1)
        log_scale = 0.5 * M * self.alpha + self.L.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)
        log_normal = log_scale - 0.5 * self.alpha.exp() * square.unsqueeze(-1)
        return (self.log_gate(h) + log_normal.flatten(-2)).logsumexp(-1) - 0.5 * M * LOG_2PI

    def draw(self, h: Tensor, noise: Tensor) -> Tensor:
        """h (..., N), noise (..., 1 + M) -> y (..., M): a uniform number chooses c and s, M normal ones spread y."""
        cumulated = self.log_gate(h).exp().cumsum(-1)
        chosen = (cumulated[..., :-1] <= noise[..., :1] * cumulated[..., -1:]).sum(-1)
        c = chosen // self.alpha.shape[1]
        eps = torch.exp(-0.5 * self.alpha.flatten()[chosen]).unsqueeze(-1) * noise[..., 1:]
        spread: Tensor = torch.linalg.solve_triangular(self.factor.mT[c], eps.unsqueeze(-1), upper=True)
        return torch.einsum("...mn,...n->...m", self.A[c], h) + self.u[c] + spread.squeeze(-1)

    @torch.no_grad()
    def start(self, y: Tensor, h: Tensor) -> None:
        """From pairs (n, M), (n, N): all experts near the best linear prediction of y, as wide as its error."""
        y, h = y.double(), h.double()
        mean_y, mean_h = y.mean(0), h.mean(0)
        y, h = y - mean_y, h - mean_h
        C_hh = h.T @ h / len(h)
        C_hh.diagonal().add_(RIDGE * C_hh.diagonal().mean().clamp(min=RIDGE))
        A = torch.linalg.solve(C_hh, h.T @ y / len(h)).T
        error = y - h @ A.T
        C_ee = error.T @ error / len(error)
        C_ee.diagonal().add_(RIDGE * C_ee.diagonal().mean() if bool(C_ee.any()) else torch.ones_like(C_ee[0]))
        L = torch.linalg.cholesky(torch.linalg.inv(C_ee))
        self.A.copy_(A + torch.randn_like(self.A) / 10.0)
        self.u.copy_(mean_y - self.A.double() @ mean_h)
        self.L.copy_(L.tril(-1) + torch.diag_embed(L.diagonal().log()))


class MCGSMHead(Head):
    """A pixel y of M colours given [h, prediction, L]: y' = L (y - prediction), log p(y) = log p(y'|h) + log|det L|.

    The first value of y' has an MCGSM given h, the others together one given h and the first: for Y, Cb and Cr that is
    p(Y|h) p(Cb, Cr|h, Y). L (M, M) is lower triangular with a positive diagonal, so y'_1 is known when y_1 is.
    """

    def __init__(self, hidden: int, values: int, *, components: int, scales: int, features: int) -> None:
        super().__init__()
        self.hidden, self.values, self.inputs = hidden, values, values
        self.params = hidden + values + values * values
        self.first = MCGSM(hidden, 1, components, scales, features)
        self.rest = MCGSM(hidden + 1, values - 1, components, scales, features) if values > 1 else None

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return x.to(dtype)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # its matrix products belong to the density, not to a net
            h, prediction, L = self.read(params)
            y = self.whiten(x, prediction, L)
            log_det = L.diagonal(dim1=-2, dim2=-1).log().sum(-1)
            log_p = self.first.log_prob(y[..., :1], h) + log_det
            if self.rest is not None:
                log_p = log_p + self.rest.log_prob(y[..., 1:], torch.cat([h, y[..., :1]], -1))
            return log_p

    def noise(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A uniform number for the component and a normal one for the value of y'_1, and the same for the others."""
        like = at_least_float32(like)
        parts = []
        for values in (1, self.values - 1) if self.rest is not None else (1,):
            parts.append(torch.rand(*shape, 1, dtype=like.dtype, device=like.device))
            parts.append(torch.randn(*shape, values, dtype=like.dtype, device=like.device))
        return torch.cat(parts, -1)

    def draw(self, params: Tensor, noise: Tensor) -> Tensor:
        h, prediction, L = self.read(params)
        y = self.first.draw(h, noise[..., :2])
        if self.rest is not None:
            y = torch.cat([y, self.rest.draw(torch.cat([h, y], -1), noise[..., 2:])], -1)
        spread: Tensor = torch.linalg.solve_triangular(L, y.unsqueeze(-1), upper=False)
        return prediction + spread.squeeze(-1)

    def marginal(self, x: Tensor) -> Tensor:
        """One Gaussian for each place, with h = 0."""
        mean, scale = x.double().mean(0), x.double().std(0, correction=0)
        L = torch.diag_embed(torch.where(scale > 0, scale, torch.ones_like(scale)).reciprocal()).flatten(-2)
        return torch.cat([mean.new_zeros(*mean.shape[:-1], self.hidden), mean, L], -1)

    @torch.no_grad()
    def start(self, params: Tensor, x: Tensor) -> None:
        """From params (B, *sites, params) and pixels (B, *sites, M): see `MCGSM.start`."""
        h, prediction, L = self.read(params.flatten(0, -2))
        y = self.whiten(x.flatten(0, -2), prediction, L)
        self.first.start(y[:, :1], h)
        if self.rest is not None:
            self.rest.start(y[:, 1:], torch.cat([h, y[:, :1]], -1))

    def read(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """h (..., hidden), prediction (..., M), L (..., M, M)."""
        M = self.values
        h, prediction, L = torch.split(at_least_float32(params), [self.hidden, M, M * M], dim=-1)
        return h, prediction, L.reshape(*L.shape[:-1], M, M)

    def whiten(self, x: Tensor, prediction: Tensor, L: Tensor) -> Tensor:
        """y' = L (y - prediction)."""
        return torch.einsum("...mn,...n->...m", L, x - prediction)
