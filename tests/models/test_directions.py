"""The number of directions of PCA by evidence: planted ones are found, and scikit-learn says the same."""

import pytest
import torch
from torch import Tensor

import loglik
from loglik.errors import UsageError
from loglik.models.latent.directions import likeliest, log_evidences
from loglik.models.latent.ppca import ProbabilisticPCA, ppca
from loglik.spaces import Real

pytestmark = pytest.mark.usefixtures("float64")


def planted(n: int, dims: int, latents: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.linalg.qr(torch.randn(dims, latents, generator=generator)).Q * torch.linspace(1.5, 4.0, latents)
    z, eps = torch.randn(n, latents, generator=generator), torch.randn(n, dims, generator=generator)
    return z @ weight.T + 0.7 * eps


@pytest.mark.parametrize(("dims", "latents"), [(5, 1), (10, 3), (20, 7)])
def test_the_evidence_finds_the_number_of_directions(dims: int, latents: int) -> None:
    x = planted(1000, dims, latents)
    model = ppca(Real((dims,)), standardize=False, evidence=True)
    assert isinstance(model, ProbabilisticPCA)
    loglik.fit(model, x)
    assert model.directions == latents
    fixed = ppca(Real((dims,)), standardize=False, latents=latents)
    loglik.fit(fixed, x)
    torch.testing.assert_close(model.log_prob(x), fixed.log_likelihood(x), rtol=1e-9, atol=1e-9)
    most = ppca(Real((dims,)), standardize=False, evidence=True, latents=1)
    assert isinstance(most, ProbabilisticPCA)
    loglik.fit(most, x)
    assert most.directions == 1


@pytest.mark.peer
@pytest.mark.parametrize(("n", "dims", "latents"), [(60, 6, 2), (200, 12, 4), (40, 15, 3), (1000, 30, 11)])
def test_evidences_are_those_of_scikit_learn(n: int, dims: int, latents: int) -> None:
    pca = pytest.importorskip("sklearn.decomposition._pca")
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = planted(n, dims, latents)
    values = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    theirs = [pca._assess_dimension(values.numpy(), k, n) for k in range(1, dims)]
    ours = log_evidences(values, n, dims)
    torch.testing.assert_close(ours, torch.tensor(theirs), rtol=1e-9, atol=1e-8)
    assert likeliest(values, n, dims) == decomposition.PCA(n_components="mle").fit(x.numpy()).n_components_


def test_of_few_rows_the_evidence_is_that_of_the_whole_spectrum() -> None:
    """The eigenvalues that are 0 may be left out, or not."""
    x = planted(12, 30, 3)
    values = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).clamp(min=0.0).sort().values
    assert len(log_evidences(values, 12, 30)) == 10  # of 11 no variance would be left to be noise
    torch.testing.assert_close(log_evidences(values[-11:], 12, 30), log_evidences(values, 12, 30))
    model = ppca(Real((30,)), standardize=False, evidence=True)
    assert isinstance(model, ProbabilisticPCA)
    loglik.fit(model, x)
    assert 1 <= model.directions <= 5  # half of those that the rows span


@pytest.mark.parametrize("x", [torch.ones(5, 3), torch.ones(1, 3), torch.eye(4)], ids=["equal", "one row", "ties"])
def test_the_evidence_of_degenerate_rows_is_finite(x: Tensor) -> None:
    model = ProbabilisticPCA(Real((x.shape[1],)), 2, em=False, floor=1e-6, evidence=True)
    model.initialize(x)
    model.maximize(model.expect(x))
    assert torch.isfinite(model.log_prob(x)).all()


def test_the_evidence_is_one_of_the_closed_form() -> None:
    with pytest.raises(UsageError, match="either em or evidence"):
        ppca(Real((4,)), em=True, evidence=True)
