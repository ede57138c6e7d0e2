"""Mixtures of probabilistic PCA.   Tipping & Bishop 1999, Neural Computation 11, 443-482."""

import torch
from torch import Tensor

from loglik.arguments.memory import check_memory
from loglik.arguments.ranges import Count, Share
from loglik.contract import Model
from loglik.errors import UsageError
from loglik.models.dequantized import density_space
from loglik.models.flows.gaussianized import gaussianized
from loglik.models.latent.gmm.builder import WORKING
from loglik.models.latent.gmm.covariances import Full
from loglik.models.latent.gmm.model import GaussianMixture
from loglik.spaces import Space


class Principal(Full):
    """Sigma_k = W_k W_k^T + sigma_k^2 I, W_k (D, q): each component has q directions of its own, and noise in all.

    Of the covariance S_k that responsibilities weigh, with eigenvalues lambda_1 >= ... >= lambda_D and vectors U,

        sigma_k^2 = mean of lambda_q+1 ... lambda_D,   W_k = U_q (Lambda_q - sigma_k^2 I)^1/2

    so the M-step is exact, also where sigma_k^2 is raised to the floor. `scale` is the Cholesky factor of Sigma_k.
    """

    def __init__(self, components: int, dims: int, latents: int, floor: float) -> None:
        super().__init__(components, dims, floor)
        self.latents = latents

    def factor(self, second: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(second)
        rest = self.dims - self.latents
        values = values.clone()
        values[:, :rest] = values[:, :rest].mean(1, keepdim=True).clamp(min=self.floor)
        values[:, rest:] = torch.maximum(values[:, rest:], values[:, :1])
        # Sigma = V Lambda V^T = R^T R: to form Sigma and factor it again would cost twice the digits.
        root: Tensor = torch.linalg.qr(values.sqrt()[:, :, None] * vectors.mT).R.mT
        return root * root.diagonal(dim1=1, dim2=2).sign()[:, None, :]

    def principal(self) -> tuple[Tensor, Tensor]:
        """W (K, D, q), the direction of most variance last, and sigma^2 (K,), in units of the data's deviations."""
        values, vectors = torch.linalg.eigh(self.dense())
        rest = self.dims - self.latents
        noise = values[:, :rest].mean(1)
        stretch = (values[:, rest:] - noise[:, None]).clamp(min=0.0).sqrt()
        return vectors[:, :, rest:] * stretch[:, None], noise


def mppca(space: Space, *, components: Count = 10, latents: Count | None = None, floor: Share | None = None) -> Model:
    """A mixture of `components` Gaussians, each a PPCA with `latents` < D directions of its own.

    Between the full and the spherical covariances of `gmm`: q D numbers of a component where a full one takes D^2 / 2,
    so many columns ask for fewer rows. `latents` defaults to sqrt(D), rounded, and at most D - 1. The noise of a
    component is the same for all columns, each in units of its deviation. `floor` is the least variance of a component
    in any direction, as in `gmm`: 1e-6 of the data's by default, on integers 1e-2, which are seen through Gaussianised
    marginals.

    Raises:
        UsageError: fewer than 2 dimensions, or as many latents as dimensions. TooLarge: more than fits into memory.

    >>> import torch, loglik
    >>> z = torch.randn(300, 1, generator=torch.Generator().manual_seed(0))
    >>> noise = 0.1 * torch.randn(300, 3, generator=torch.Generator().manual_seed(1))
    >>> line = torch.where(torch.arange(300)[:, None] % 2 == 0, z * torch.tensor([1.0, 1.0, 0.0]), z + 8.0) + noise
    >>> model = loglik.build("mppca", loglik.Real((3,)), components=2, latents=1, seed=0)
    >>> history = loglik.fit(model, line)
    >>> [round(weight, 2) for weight in model.weights.tolist()]
    [0.5, 0.5]
    """
    real = density_space(space, "mppca")
    dims = real.dims
    if dims < 2:
        raise UsageError(f"`mppca` needs at least 2 dimensions, so that latents < D; got {space}. Use gmm.")
    latents = min(max(1, round(dims**0.5)), dims - 1) if latents is None else latents
    if not 1 <= latents < dims:
        raise UsageError(f"Expected 1 <= latents < {dims}, the dimensions of the data; got {latents}.")
    if floor is None:
        floor = 1e-6 if space.limits is None else 1e-2
    check_memory(
        WORKING * components * 8.0 * dims**2,
        f"an EM pass of mppca with {components} components over {dims} dimensions",
        "Take fewer components, or ppca.",
    )
    return gaussianized(space, GaussianMixture(real, Principal(components, dims, latents, floor)))
