"""The builder of the zoo's `gmm`, and the names of its covariances."""

from collections.abc import Callable

from loglik.arguments.memory import check_memory
from loglik.arguments.ranges import Count, Positive, Share
from loglik.contract import Model
from loglik.errors import UnknownName, UsageError
from loglik.models.dequantized import density_space
from loglik.models.flows.gaussianized import gaussianized
from loglik.models.latent.gmm.covariances import Covariance, Diagonal, Full, Spherical, Tied
from loglik.models.latent.gmm.model import GaussianMixture
from loglik.models.latent.gmm.prior import ComponentPrior
from loglik.spaces import Space

COVARIANCES: dict[str, Callable[[int, int, float], Covariance]] = {
    "full": Full,
    "tied": Tied,
    "diagonal": Diagonal,
    "spherical": Spherical,
}
FULL_DIMS = 1024  # covariances are full by default up to so many dimensions
WORKING = 5.0  # matrices of a pass for each one that is kept: factor, whitening, products, second moments, their mean


def gmm(
    space: Space, *, components: Count = 10, covariance: str | None = None, floor: Share | None = None,
    prior: Positive | None = None,
) -> Model:  # fmt: skip
    """A mixture of `components` Gaussians whose covariances are full, tied, diagonal or spherical.

    They are full by default up to 1024 dimensions, and diagonal beyond: D^2 / 2 numbers for each component are more
    than any table has rows to tell, and take gigabytes. `floor` is the least variance of a component in any direction,
    as a share of the data's (of each column; for spherical covariances of their mean). It keeps components from
    collapsing on single events. Integer data are seen through Gaussianised marginals, where the floor is 1e-2 by
    default; on reals it is 1e-6. `prior` fits the maximum a posteriori instead of the maximum likelihood: a
    normal-inverse-Wishart prior of each component and a Dirichlet one of the weights, in the units of the data's
    deviation, that count like so many rows for each component (1 is usual); the densities are in `gmm.prior`. For full
    and diagonal covariances.

    Raises:
        TooLarge: full covariances that do not fit into memory. UsageError: a prior of tied or spherical ones.

    >>> import torch, loglik
    >>> side = 10.0 * (torch.arange(200)[:, None] % 2)
    >>> x = side + torch.randn(200, 1, generator=torch.Generator().manual_seed(0))
    >>> model = loglik.build("gmm", loglik.Real((1,)), components=2, seed=0)
    >>> history = loglik.fit(model, x)
    >>> sorted(round(mean) for mean in model.means.flatten().tolist())
    [0, 10]
    """
    real = density_space(space, "gmm")
    if covariance is None:
        covariance = "full" if space.dims <= FULL_DIMS else "diagonal"
    if covariance not in COVARIANCES:
        raise UnknownName("covariance", covariance, COVARIANCES)
    if floor is None:
        floor = 1e-6 if space.limits is None else 1e-2
    held = {"full": components, "tied": 1}.get(covariance, 0) * 8.0 * space.dims**2
    check_memory(
        WORKING * held,
        f"an EM pass of gmm with {components} {covariance} covariances over {space.dims} dimensions",
        "Take covariance='diagonal', or ppca.",
    )
    belief = None
    if prior is not None:
        if covariance not in ("full", "diagonal"):
            raise UsageError(f"Expected full or diagonal covariances with a prior; got {covariance}. Leave prior out.")
        belief = ComponentPrior(prior, components, space.dims, covariance == "full")
    mixture = GaussianMixture(real, COVARIANCES[covariance](components, space.dims, floor), belief)
    return gaussianized(space, mixture)
