"""Deep mixtures against the shallow mixture of all their paths, written out path by path, and against `gmm`."""

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

import loglik
from loglik.errors import UsageError
from loglik.models.latent.deep_gmm.maximization import Moments
from loglik.models.latent.deep_gmm.model import DeepGaussianMixture
from loglik.models.latent.deep_gmm.searched import SearchedDeepMixture
from loglik.models.latent.gmm.covariances import Full
from loglik.models.latent.gmm.model import GaussianMixture
from loglik.spaces import Real

COUNTS = (3, 2, 2)


def deep(
    counts: tuple[int, ...] = COUNTS, dims: int = 3, *, table: bool = False, ridge: float = 0.0
) -> DeepGaussianMixture:
    """Maps far from each other and from symmetry, b and weights at random."""
    torch.manual_seed(0)
    model = DeepGaussianMixture(Real((dims,)), counts, table=table, ridge=ridge, iterations=10)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return model.requires_grad_(False)


def path_by_path(model: DeepGaussianMixture) -> MixtureSameFamily:
    """The shallow mixture from A = W^-1 and b = -A c, with the products of the paper, path by path."""
    numbers = itertools.product(*[range(n) for n in reversed(model.paths.counts)])
    weights, means, covariances = [], [], []
    for path in [tuple(reversed(number)) for number in numbers]:
        omega, beta = torch.eye(model.space.dims).double(), torch.zeros(model.space.dims).double()
        for layer, i in zip(model.paths.layers, path, strict=True):
            A = torch.linalg.inv(layer.maps[i])
            beta = beta - omega @ A @ layer.shifts[i]
            omega = omega @ A
        each = [logits.softmax(0)[i] for logits, i in zip(model.logits, path, strict=False)]
        weights.append(torch.stack(each).prod())
        means.append(beta)
        covariances.append(omega @ omega.T)
    pi = torch.stack(weights) if len(model.logits) == len(model.paths.counts) else model.logits[0].softmax(0)
    return MixtureSameFamily(Categorical(pi), MultivariateNormal(torch.stack(means), torch.stack(covariances)))


def events(n: int = 50, dims: int = 3) -> Tensor:
    return 1.5 * torch.randn(n, dims, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("table", [False, True])
def test_log_prob_is_that_of_all_paths_one_by_one(table: bool) -> None:
    model, x = deep(table=table), events()
    torch.testing.assert_close(model.log_prob(x), path_by_path(model).log_prob(x), rtol=1e-10, atol=1e-10)


def test_marginals_are_those_of_the_shallow_mixture() -> None:
    model, x = deep(), events()
    shallow = path_by_path(model)
    observed = torch.tensor([True, False, True]).expand_as(x)
    parts = shallow.component_distribution
    seen = MultivariateNormal(parts.mean[:, [0, 2]], parts.covariance_matrix[:, [0, 2]][:, :, [0, 2]])
    expected = MixtureSameFamily(shallow.mixture_distribution, seen).log_prob(x[:, [0, 2]])
    torch.testing.assert_close(model.log_marginal(x, observed), expected, rtol=1e-10, atol=1e-10)


def test_the_posterior_of_paths_is_bayes_rule() -> None:
    model, x = deep(), events()
    shallow = path_by_path(model)
    joint = shallow.component_distribution.log_prob(x[:, None]) + shallow.mixture_distribution.logits
    torch.testing.assert_close(model.posterior(x).log_probs, joint.log_softmax(1), rtol=1e-9, atol=1e-9)
    z = torch.arange(len(x)) % joint.shape[1]
    torch.testing.assert_close(model.log_joint(x, z), joint[torch.arange(len(x)), z], rtol=1e-10, atol=1e-10)


def test_samples_have_the_moments_of_the_mixture() -> None:
    model = deep()
    shallow = path_by_path(model)
    n = 200_000
    torch.manual_seed(0)
    x = model.sample(n)
    error = (x.mean(0) - shallow.mean).abs() / (shallow.variance / n).sqrt()
    assert float(error.max()) < 5.0
    assert float((x.var(0) / shallow.variance - 1).abs().max()) < 0.05


def test_a_permutation_of_maps_changes_nothing() -> None:
    model, x = deep(), events()
    before = model.log_prob(x)
    turned = torch.tensor([2, 0, 1])
    layer = model.paths.layers[0]
    for values in (layer.maps, layer.shifts, model.logits[0]):
        values.copy_(values[turned].clone())
    torch.testing.assert_close(model.log_prob(x), before, rtol=1e-12, atol=1e-12)


def test_one_layer_is_a_mixture_and_its_em_that_of_gmm() -> None:
    model, x = deep((3,)), events(400)
    means, root = model.components()
    gmm = GaussianMixture(Real((3,)), Full(3, 3, 1e-9))
    gmm.start(model.log_weights.exp(), means, root @ root.mT)
    for _ in range(5):
        torch.testing.assert_close(model.log_prob(x), gmm.log_prob(x), rtol=1e-9, atol=1e-9)
        model.maximize(model.expect(x))
        gmm.maximize(gmm.expect(x))


@pytest.mark.parametrize(("table", "ridge"), [(False, 0.0), (True, 0.0), (False, 1.0)])
def test_em_ascends_to_a_point_where_the_gradient_vanishes(table: bool, ridge: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(600, 2).double() ** 3 / 3
    model = DeepGaussianMixture(Real((2,)), (2, 2), table=table, ridge=ridge, iterations=20)
    with torch.no_grad():
        model.initialize(x)
        values = []
        for _ in range(400):
            stats = model.expect(x)
            values.append(float(stats.log_likelihood + model.log_prior()))
            model.maximize(stats)
    assert min(b - a for a, b in itertools.pairwise(values)) >= -1e-10 * abs(values[0])
    assert values[-1] > values[0] + 10.0
    (model.log_prob(x).sum() + model.log_prior()).backward()
    assert max(float(p.grad.abs().max()) for p in model.parameters() if p.grad is not None) < 0.05 * len(x) ** 0.5


def test_the_bound_of_the_m_step_is_the_expected_log_joint() -> None:
    model, x = deep(ridge=0.0), events()
    with torch.no_grad():
        stats = model.expect(x)
        moments = Moments(model.components()[0], stats.counts, stats.first, stats.second)
        for parameter in model.paths.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        r = deep().posterior(x).log_probs.exp()
        joint = torch.cat([joint.T for joint in model._joints(x, None)])
        expected = (r * (joint - model.log_weights)).sum() + 0.5 * x.numel() * math.log(2 * math.pi)
        torch.testing.assert_close(moments.bound(model.paths, 0.0), expected, rtol=1e-9, atol=1e-9)


def test_the_last_layer_is_the_best_given_those_below() -> None:
    model, x = deep(ridge=0.3), events(300)
    with torch.no_grad():
        stats = model.expect(x)
        moments = Moments(model.components()[0], stats.counts, stats.first, stats.second)
        moments.solve_last(model.paths, 0.3)
    last = list(model.paths.layers[-1].requires_grad_(True).parameters())
    gradients = torch.autograd.grad(moments.bound(model.paths, 0.3), last)
    assert max(float(g.abs().max()) for g in gradients) < 1e-8


def test_constant_columns_and_few_rows_are_fitted() -> None:
    x = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    x[:, 2] = 1.0
    model = loglik.build("deep-gmm", Real((4,)), layers=(3, 2), seed=0)
    with pytest.warns(loglik.errors.FitWarning, match="constant"):
        loglik.fit(model, x, steps=10)
    assert bool(torch.isfinite(model.log_likelihood(x)).all())


def searched() -> tuple[SearchedDeepMixture, DeepGaussianMixture]:
    """The same maps and weights, searched and summed."""
    exact = deep()
    model = SearchedDeepMixture(Real((3,)), COUNTS).requires_grad_(False)
    model.load_state_dict(exact.state_dict(), strict=False)
    return model, exact


def test_a_searched_path_has_the_joint_of_its_number() -> None:
    model, exact = searched()
    x = events(12)
    number = torch.arange(12)
    path = torch.stack(exact.paths.choices(number), 1)
    torch.testing.assert_close(model.log_joint(x, path), exact.log_joint(x, number), rtol=1e-10, atol=1e-10)
    every = torch.stack(exact.paths.choices(torch.arange(12)), 1)
    for j, count in enumerate(COUNTS):
        rows = model.conditional(x[:1].expand(12, -1), every, j)
        torch.testing.assert_close(
            rows.gather(1, every[:, j : j + 1])[:, 0], model.log_joint(x[:1].expand(12, -1), every)
        )
        assert rows.shape == (12, count)


def test_the_best_path_is_a_bound_and_no_single_change_betters_it() -> None:
    model, exact = searched()
    x = events(200)
    path, log_p = model.best_path(x)
    joint = exact.log_joint
    number = path[:, 0] + COUNTS[0] * (path[:, 1] + COUNTS[1] * path[:, 2])
    torch.testing.assert_close(log_p, joint(x, number), rtol=1e-10, atol=1e-10)
    for j in range(len(COUNTS)):
        torch.testing.assert_close(model.conditional(x, path, j).amax(1), log_p, rtol=1e-10, atol=1e-10)
    assert bool((log_p <= exact.log_prob(x)).all())


def test_weights_of_paths_average_to_the_density_and_bound_its_log() -> None:
    """Over all paths sum q w = p(x); of draws as far as the spread of w, known from all paths, lets them tell."""
    model, exact = searched()
    x = events(100)
    q = model.posterior(x)
    paths = torch.stack(exact.paths.choices(torch.arange(12)), 1)[:, None].expand(-1, len(x), -1)
    log_q, log_p = q.log_prob(paths), exact.log_prob(x)
    torch.testing.assert_close(log_q.exp().sum(0), torch.ones(len(x)).double())
    log_w = torch.stack([model.log_joint(x, path) for path in paths]) - log_q
    torch.testing.assert_close((log_q + log_w).logsumexp(0), log_p, rtol=1e-10, atol=1e-10)
    assert bool(((log_q.exp() * log_w).sum(0) <= log_p).all())
    variance = (log_q + 2 * (log_w - log_p)).exp().sum(0) - 1
    told = variance < 1.0
    assert int(told.sum()) > 30
    torch.manual_seed(0)
    ratios = torch.stack([model.log_weight(x[told]) - log_p[told] for _ in range(2000)]).exp()
    assert float(((ratios.mean(0) - 1) / (variance[told] / 2000).sqrt().clamp(min=1e-9)).square().mean()) < 2.0


@pytest.mark.parametrize(("layers", "table"), [((), False), ((100, 100), True)])
def test_layers_that_cannot_be(layers: tuple[int, ...], table: bool) -> None:
    with pytest.raises(UsageError):
        loglik.build("deep-gmm", Real((2,)), layers=layers, table=table)
