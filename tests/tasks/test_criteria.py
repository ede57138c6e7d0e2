"""Criteria of mixtures against scikit-learn's and by hand, and the search that ranks by them."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import loglik
from loglik.errors import EmptyData, UnknownName, UsageError
from loglik.models.latent.gmm.builder import COVARIANCES
from loglik.models.latent.gmm.model import GaussianMixture

PEER_NAMES = {"full": "full", "tied": "tied", "diagonal": "diag", "spherical": "spherical"}


def clouds(rows: int, dims: int) -> Tensor:
    torch.manual_seed(1)
    k = torch.randint(3, (rows, 1))
    return torch.randn(rows, dims, dtype=torch.float64) * (0.5 + k) + 5.0 * k


def fitted(x: Tensor, covariance: str, components: int = 3) -> GaussianMixture:
    model = loglik.build("gmm", loglik.Real(x.shape[1:]), components=components, covariance=covariance, seed=0)
    loglik.fit(model, x, steps=8)
    assert isinstance(model, GaussianMixture)
    return model


def peer(model: GaussianMixture, covariance: str) -> object:
    """scikit-learn's mixture with the same parameters."""
    from sklearn.mixture import GaussianMixture as Peer
    from sklearn.mixture._gaussian_mixture import _compute_precision_cholesky

    with torch.no_grad():
        dense = model.covariances.numpy()
        own = {
            "full": dense, "tied": dense[0], "diagonal": np.diagonal(dense, axis1=1, axis2=2),
            "spherical": dense[:, 0, 0],
        }[covariance]  # fmt: skip
        theirs = Peer(model.components, covariance_type=PEER_NAMES[covariance])
        theirs.weights_, theirs.means_ = model.weights.numpy(), model.means.numpy()
        theirs.covariances_ = own
        theirs.precisions_cholesky_ = _compute_precision_cholesky(own, PEER_NAMES[covariance])
    return theirs


@pytest.mark.parametrize("covariance", list(COVARIANCES))
@pytest.mark.parametrize("dims", [1, 4])
def test_bic_and_aic_are_scikit_learns_and_icl_follows_from_its_responsibilities(covariance: str, dims: int) -> None:
    x = clouds(300, dims)
    model = fitted(x, covariance)
    theirs, found = peer(model, covariance), loglik.criteria(model, x)
    assert found.free_parameters == theirs._n_parameters()
    assert found.bic == pytest.approx(theirs.bic(x.numpy()), rel=1e-10)
    assert found.aic == pytest.approx(theirs.aic(x.numpy()), rel=1e-10)
    uncertain = -2.0 * np.log(theirs.predict_proba(x.numpy()).max(1)).sum()
    assert found.icl == pytest.approx(theirs.bic(x.numpy()) + uncertain, rel=1e-10)
    assert found.icl > found.bic


def test_weights_count_rows_and_gaps_count_by_what_is_observed() -> None:
    x = clouds(60, 2)
    model = fitted(x, "full", 2)
    times = torch.arange(60) % 3
    weighed = loglik.criteria(model, x, weights=times.double())
    repeated = loglik.criteria(model, x.repeat_interleave(times, 0))
    assert weighed.to_json() == pytest.approx(repeated.to_json(), rel=1e-12)
    gaps = x.clone()
    gaps[::2, 1] = math.nan
    found = loglik.criteria(model, gaps)
    log_p = loglik.evaluate(model, gaps).values.sum()
    assert found.bic == pytest.approx(float(found.free_parameters * math.log(60) - 2.0 * log_p), rel=1e-12)
    with pytest.raises(EmptyData):
        loglik.criteria(model, x[:0])


def test_the_search_finds_the_clouds_that_are_there() -> None:
    x = clouds(600, 2)
    found = loglik.best_mixture(x, components=range(1, 6), covariances=["full", "spherical"])
    assert (found.best.components, found.best.covariance) == (3, "spherical")
    assert found.model is found.best.model
    assert len(found.candidates) == 10
    values = [one.criteria.bic for one in found.candidates]
    assert values == sorted(values)
    again = loglik.criteria(found.model, x)
    assert again == found.best.criteria
    assert str(found).splitlines()[2].split()[:2] == ["spherical", "3"]
    assert f"{again.bic:.2f}" in str(found).splitlines()[2]


def test_what_cannot_be_ranked_is_refused() -> None:
    x = clouds(50, 2)
    counts = loglik.build("gmm", loglik.Integer((2,), levels=4), components=2)
    with pytest.raises(UsageError, match="Gaussianised values"):
        loglik.criteria(counts, torch.zeros(5, 2, dtype=torch.long))
    with pytest.raises(UsageError, match="Expected a gmm; got gaussian"):
        loglik.criteria(loglik.build("gaussian", loglik.Real((2,))), x)
    with pytest.raises(UnknownName, match="criterion"):
        loglik.best_mixture(x, by="bci")
    with pytest.raises(UnknownName, match="covariance"):
        loglik.best_mixture(x, covariances=["ful"])
    with pytest.raises(UsageError, match="Give one of each"):
        loglik.best_mixture(x, components=[])


def test_the_search_over_iris_has_the_bics_that_mclust_prints() -> None:
    """R's mclustBIC(iris[, -5]), which has the other sign: its VVV, EEE and VVI."""
    from sklearn.datasets import load_iris

    printed = {
        ("full", 1): 829.9782, ("full", 2): 574.0178, ("full", 3): 580.8396, ("tied", 2): 688.0972,
        ("tied", 3): 632.9647, ("diagonal", 1): 1522.1202, ("diagonal", 2): 857.5515,
    }  # fmt: skip
    found = loglik.best_mixture(load_iris().data, components=range(1, 4), covariances=["full", "tied", "diagonal"])
    bics = {(one.covariance, one.components): one.criteria.bic for one in found.candidates}
    assert (found.best.covariance, found.best.components) == ("full", 2)
    assert {key: bics[key] for key in printed} == pytest.approx(printed, abs=0.01)
