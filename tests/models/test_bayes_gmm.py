"""The variational mixture against scikit-learn's, and its bound against the evidence itself."""

import itertools
import math

import pytest
import torch
from sklearn.mixture import BayesianGaussianMixture
from torch import Tensor

import loglik
from loglik import Claim, Real
from loglik.models.bayes.bayes_gmm import BayesMixture
from loglik.models.bayes.linear_gaussian import LinearGaussian


def mixture(*, dims: int = 2, **given: object) -> BayesMixture:
    model = loglik.build("bayes-gmm", Real((dims,)), **given)
    assert isinstance(model, BayesMixture)
    return model


def clusters(n: int, seed: int = 0) -> Tensor:
    """(n, 2): three clusters of one shape."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]], dtype=torch.float64)
    noise = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return centres[torch.arange(n) % 3] + noise @ torch.tensor([[1.0, 0.3], [0.0, 0.7]], dtype=torch.float64)


def responsibilities(x: Tensor, components: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(len(x), components, generator=generator, dtype=torch.float64).mul(4.0).softmax(1)


def test_passes_are_those_of_scikit_learn() -> None:
    """From the same responsibilities: weights, means, covariances' degrees of freedom, and p(k|x) of q."""
    x, r = clusters(150), responsibilities(clusters(150), 4)
    sk = BayesianGaussianMixture(
        n_components=4, weight_concentration_prior_type="dirichlet_distribution", weight_concentration_prior=0.25,
        mean_precision_prior=0.7, mean_prior=[0.5, 1.0], degrees_of_freedom_prior=3.0,
        covariance_prior=[[3.0 * 4.0, 0.0], [0.0, 3.0 * 1.0]], reg_covar=0.0,
    )  # fmt: skip
    sk._check_parameters(x.numpy())
    sk._initialize(x.numpy(), r.numpy())
    model = mixture(components=4, concentration=0.25, rows=0.7, freedom=3.0, mean=(0.5, 1.0), scale=(2.0, 1.0))
    model.maximize(model._moments(model._units(x, None), r, None))
    for _ in range(30):
        _, log_r = sk._e_step(x.numpy())
        sk._m_step(x.numpy(), log_r)
        model.maximize(model.expect(x))
    alpha = torch.from_numpy(sk.weight_concentration_)
    assert model.weights.numpy() == pytest.approx((alpha / alpha.sum()).numpy(), abs=1e-10)
    assert model.means.numpy() == pytest.approx(sk.means_, abs=1e-9)
    assert (3.0 + model.counts).numpy() == pytest.approx(sk.degrees_of_freedom_, abs=1e-9)
    log_rho = model._expected_log_joint(model._units(x, None))
    assert log_rho.softmax(1).numpy() == pytest.approx(sk.predict_proba(x.numpy()), abs=1e-9)


def test_of_one_component_the_bound_is_the_evidence() -> None:
    """Nothing is approximated then. S_0 = freedom scale^2 here, and (freedom - D - 1) scale^2 there."""
    x = clusters(20)
    model = mixture(components=1, rows=0.5, freedom=5.0, mean=(1.0, 2.0), scale=(1.0, 2.0))
    loglik.fit(model, x)
    widths = tuple(math.sqrt(5.0 / 2.0) * scale for scale in (1.0, 2.0))
    exact = loglik.build("bayes-gaussian", Real((2,)), rows=0.5, freedom=5.0, mean=(1.0, 2.0), scale=widths)
    assert isinstance(exact, LinearGaussian)
    loglik.fit(exact, x)
    assert float(model.log_evidence()) == pytest.approx(float(exact.log_evidence()), abs=1e-9)
    assert model.log_prob(x).numpy() == pytest.approx(exact.log_prob(x).numpy(), abs=1e-10)


def test_the_bound_is_below_the_evidence_summed_over_all_assignments() -> None:
    x = torch.tensor([[-2.0], [-1.6], [2.1], [2.5], [1.8]], dtype=torch.float64)
    given = {"rows": 0.5, "freedom": 3.0, "mean": 0.0}
    model = mixture(dims=1, components=2, concentration=0.8, scale=1.0, seed=0, **given)
    loglik.fit(model, x)
    logs = []
    for z in itertools.product(range(2), repeat=5):
        log_p = math.lgamma(1.6) - math.lgamma(6.6)
        for k in range(2):
            part = x[torch.tensor(z) == k]
            log_p += math.lgamma(0.8 + len(part)) - math.lgamma(0.8)
            exact = loglik.build("bayes-gaussian", Real((1,)), scale=math.sqrt(3.0), **given)
            exact.update(part)
            log_p += float(exact.log_evidence())
        logs.append(log_p)
    truth = float(torch.tensor(logs, dtype=torch.float64).logsumexp(0))
    assert model.evidence_claim is Claim.LOWER_BOUND
    assert truth - 2.0 < float(model.log_evidence()) < truth


def test_what_rises_is_the_bound() -> None:
    """The engine's log-likelihood and log-prior sum to it, it never falls, and from pass to pass it is one number."""
    x, r = clusters(120), responsibilities(clusters(120), 5)
    model = mixture(components=5, mean=0.0, scale=2.0)
    model.maximize(model._moments(model._units(x, None), r, None))
    last = -math.inf
    for _ in range(60):
        before = float(model.log_evidence())
        stats = model.expect(x)
        bound = float(stats.log_likelihood + model.log_prior())
        assert before <= bound + 1e-10 * abs(bound)  # the E-step raises it, from the old responsibilities
        assert last <= bound + 1e-10 * abs(bound)
        model.maximize(stats)
        assert bound <= float(model.log_evidence()) + 1e-10 * abs(bound)  # and so does the M-step
        last = bound
    assert last == pytest.approx(float(model.log_evidence()), abs=1e-5)


def test_the_number_of_components_is_found() -> None:
    x = clusters(300)
    model = mixture(components=8, seed=0)
    history = loglik.fit(model, x, steps=500, tolerance=1e-9)
    assert model.found == 3
    assert sorted(round(mean, 1) for mean in model.means[model.counts > 1].flatten().tolist())[-1] > 5.5
    assert history.evidence_claim == "estimate"


def test_units_of_the_data_do_not_matter() -> None:
    """The score follows the unit: log|a| lower for each value, and nothing else changes."""
    x = clusters(90)
    one, other = mixture(components=3, seed=0), mixture(components=3, seed=0)
    loglik.fit(one, x)
    loglik.fit(other, 100.0 * x + 7.0)
    shift = 2.0 * math.log(100.0)
    assert other.log_prob(100.0 * x + 7.0).numpy() == pytest.approx((one.log_prob(x) - shift).numpy(), abs=1e-6)
    evidence = float(one.log_evidence()) - 90 * shift
    assert float(other.log_evidence()) == pytest.approx(evidence, abs=1e-5)
