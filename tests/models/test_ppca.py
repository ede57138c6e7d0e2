"""Probabilistic PCA is the ground truth of latent variables: everything about it is known in closed form."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

import loglik
from cases import data
from loglik.arguments.allocations import Allocations
from loglik.errors import UsageError
from loglik.models.latent.posteriors import NormalPosterior
from loglik.models.latent.ppca import ProbabilisticPCA, ppca
from loglik.moments import FewRows, Moments
from loglik.spaces import Real

pytestmark = pytest.mark.usefixtures("float64")


def fitted(x: Tensor, latents: int, *, em: bool = False, passes: int = 1, floor: float = 0.0) -> ProbabilisticPCA:
    model = ProbabilisticPCA(Real(tuple(x.shape[1:])), latents, em=em, floor=floor)
    model.initialize(x)
    for _ in range(passes):
        model.maximize(model.expect(x))
    return model


def dense(model: ProbabilisticPCA) -> Tensor:
    """C = W W^T + sigma^2 I"""
    return model.weight @ model.weight.T + model.variance * torch.eye(len(model.mean))


@pytest.mark.parametrize(("dims", "latents"), [(2, 1), (3, 1), (5, 2), (7, 6)])
def test_log_prob_is_that_of_the_dense_gaussian(dims: int, latents: int) -> None:
    x = data(Real((dims,))).double()
    model = fitted(x, latents)
    truth = MultivariateNormal(model.mean, dense(model)).log_prob(x)
    torch.testing.assert_close(model.log_prob(x), truth, rtol=1e-10, atol=1e-10)


def test_the_posterior_is_gaussian_conditioning() -> None:
    """From the joint covariance [[I, W^T], [W, C]] of (z, x): mean W^T C^-1 (x - mu), covariance I - W^T C^-1 W."""
    x = data(Real((5,))).double()
    model = fitted(x, 2)
    gain = model.weight.T @ torch.linalg.inv(dense(model))
    q = model.posterior(x)
    mean, covariance = q.mean, q.covariance[0]
    torch.testing.assert_close(mean, (x - model.mean) @ gain.T, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(covariance, torch.eye(2) - gain @ model.weight, rtol=1e-10, atol=1e-10)


def test_the_closed_form_reaches_the_known_maximum() -> None:
    """-(D log 2 pi + sum of the q largest log eigenvalues + (D - q) log sigma^2 + D) / 2 for each event."""
    x = data(Real((5,))).double()
    values = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    noise = values[2:].mean()
    expected = -0.5 * (5 * math.log(2 * math.pi) + values[:2].log().sum() + 3 * noise.log() + 5)
    assert float(fitted(x, 2).log_prob(x).mean()) == pytest.approx(float(expected), abs=1e-10)


@pytest.mark.parametrize("standardize", [False, True])
def test_the_joint_with_an_inferred_latent_is_bayes_rule(standardize: bool) -> None:
    """Also through the flow that standardises, whose latents are those of its base."""
    x = 3.0 + torch.randn(50, 4, dtype=torch.float64) * torch.tensor([1.0, 5.0, 0.1, 2.0], dtype=torch.float64)
    model = ppca(Real((4,)), latents=2, standardize=standardize)
    model.initialize(x)
    assert model.infers
    z, log_q = model.infer(x)
    assert z.shape == (50, 2)
    torch.testing.assert_close(model.log_joint(x, z) - log_q, model.log_likelihood(x))


def test_em_reaches_the_closed_form() -> None:
    x = data(Real((5,))).double()
    closed, em = fitted(x, 2), fitted(x, 2, em=True, passes=3_000)
    best = float(closed.log_prob(x).mean())
    assert float(em.log_prob(x).mean()) == pytest.approx(best, rel=1e-8)
    # W is known up to a rotation; W W^T is known.
    torch.testing.assert_close(em.weight @ em.weight.T, closed.weight @ closed.weight.T, rtol=1e-5, atol=1e-5)


def test_the_gradient_vanishes_at_the_maximum() -> None:
    x = data(Real((4,))).double()
    model = fitted(x, 2)
    state = {name: getattr(model, name).clone().requires_grad_() for name in ("mean", "weight", "variance")}
    torch.func.functional_call(model, state, (x,)).mean().backward()
    for value in state.values():
        assert value.grad is not None
        assert float(value.grad.abs().max()) < 1e-9


def test_all_but_one_latent_is_the_full_gaussian() -> None:
    x = data(Real((4,))).double()
    covariance = torch.cov(x.T, correction=0)
    truth = MultivariateNormal(x.mean(0), covariance).log_prob(x)
    torch.testing.assert_close(fitted(x, 3).log_prob(x), truth, rtol=1e-9, atol=1e-9)


def test_without_noise_the_posterior_is_the_projection_of_pca() -> None:
    x = data(Real((4,))).double()
    model = fitted(x, 2)
    model.variance.fill_(1e-12)
    z = model.posterior(x).mean
    projection = model.weight @ torch.linalg.pinv(model.weight)
    torch.testing.assert_close(z @ model.weight.T, (x - model.mean) @ projection.T, rtol=1e-6, atol=1e-6)


@pytest.mark.peer
def test_agrees_with_scikit_learn() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = data(Real((6,)), 500).double()
    theirs = decomposition.PCA(n_components=2).fit(x.numpy())
    # scikit-learn divides the covariance by n - 1; rescaled, it is the maximum of the likelihood.
    theirs.explained_variance_ *= (len(x) - 1) / len(x)
    theirs.noise_variance_ *= (len(x) - 1) / len(x)
    ours = fitted(x, 2).log_prob(x)
    torch.testing.assert_close(ours, torch.from_numpy(theirs.score_samples(x.numpy())), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("em", [False, True])
@pytest.mark.parametrize(
    "x",
    [torch.ones(1, 3), torch.ones(6, 3), torch.cat([torch.randn(20, 2), torch.ones(20, 1)], 1), torch.randn(2, 6)],
    ids=["one row", "equal rows", "a constant column", "fewer rows than dims"],
)
def test_degenerate_data_give_a_finite_answer(x: Tensor, em: bool) -> None:
    model = fitted(x, 1, em=em, passes=5, floor=1e-6)
    assert torch.isfinite(model.log_prob(x)).all()
    assert torch.isfinite(model.sample(3)).all()


@pytest.mark.parametrize("latents", [1, 5, 11, 20])
@pytest.mark.parametrize("floor", [1e-6, 0.1])
def test_few_rows_give_what_their_moments_give(latents: int, floor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """12 rows of 40 columns, with one latent, fewer than they span, as many, and more; repeated rows too."""
    x = 3.0 + torch.randn(12, 40) * torch.linspace(0.1, 4.0, 40)
    x[3] = x[4]
    few = fitted(x, latents, floor=floor)
    assert isinstance(few.expect(x), FewRows)
    monkeypatch.setattr(FewRows, "suit", classmethod(lambda cls, events, dims: False))
    many = fitted(x, latents, floor=floor)
    assert isinstance(many.expect(x), Moments)
    torch.testing.assert_close(few.variance, many.variance, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(dense(few), dense(many), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(few.log_prob(x), many.log_prob(x), rtol=1e-6, atol=1e-4)


def test_few_rows_add_up_in_any_batches() -> None:
    x = torch.randn(30, 40)
    model = ProbabilisticPCA(Real((40,)), 3, em=False, floor=1e-6)
    model.initialize(x)
    whole = Moments.of(x, model.shift, model.log_prob(x).sum())
    parts = [model.expect(x[:9]), model.expect(x[9:18]), model.expect(x[18:])]
    assert isinstance(parts[0] + parts[1], FewRows)
    for total in (parts[0] + parts[1] + parts[2], parts[2] + parts[0] + parts[1], whole + model.expect(x[:0])):
        assert isinstance(total, Moments)
        torch.testing.assert_close(total.events, whole.events)
        torch.testing.assert_close(total.covariance, whole.covariance)
        torch.testing.assert_close(total.log_likelihood, whole.log_likelihood)


def test_a_wide_table_takes_no_matrix_of_all_pairs_of_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(60, 5000)
    monkeypatch.setattr("loglik.arguments.allocations.memory_at_hand", lambda: 100 * 10**6)  # D x D takes 200 MB
    with Allocations("ppca", ""):
        model = fitted(x, 20, floor=1e-6)
    assert torch.isfinite(model.log_prob(x)).all()


@pytest.mark.parametrize("latents", [0, 3, 4])
def test_latents_lie_between_one_and_the_dims(latents: int) -> None:
    with pytest.raises(UsageError, match="1 <= latents < 3"):
        ppca(Real((3,)), latents=latents)


def test_one_dimension_has_no_room() -> None:
    with pytest.raises(UsageError, match="Use gaussian"):
        ppca(Real((1,)))


@pytest.mark.parametrize(("dims", "latents"), [(2, 1), (4, 3), (9, 6), (100, 20), (784, 56)])
def test_latents_default_to_twice_the_root_of_the_dimensions(dims: int, latents: int) -> None:
    model = ppca(Real((dims,)), standardize=False)
    assert isinstance(model, ProbabilisticPCA)
    assert model.weight.shape == (dims, latents)


def test_of_few_rows_the_default_leaves_directions_to_the_noise() -> None:
    """New rows of a wide table are as likely as under the truth, nearly; all its directions would leave the floor."""
    x, new = torch.randn(40, 500), torch.randn(40, 500)
    scores = {}
    for latents in (None, 44):
        model = ppca(Real((500,)), latents=latents, standardize=False)
        assert isinstance(model, ProbabilisticPCA)
        model.initialize(x)
        model.maximize(model.expect(x))
        scores[latents] = float(model.log_prob(new).mean())
        assert int((model.weight.square().sum(0) > 1e-12).sum()) == (19 if latents is None else 39)
        assert bool(model.remark) == (latents is not None)
    truth = -250.0 * (math.log(2.0 * math.pi) + 1.0)
    assert scores[None] > 1.3 * truth
    assert scores[44] < 1000.0 * truth
    many = ppca(Real((6,)), standardize=False)
    assert isinstance(many, ProbabilisticPCA)
    wide = torch.randn(100, 6) * torch.arange(1.0, 7.0)
    many.initialize(wide)
    many.maximize(many.expect(wide))
    torch.testing.assert_close(many.log_prob(wide), fitted(wide, 4, floor=1e-6).log_prob(wide))


@pytest.mark.parametrize("em", [False, True])
def test_the_posterior_of_the_slide_fails(em: bool) -> None:
    """N(M^-1 W^T (x - mu), sigma^2 M): M of D x D fits no W^T, and one of q x q breaks Bayes' rule."""
    x = data(Real((4,))).double()
    model = fitted(x, 2, em=em, passes=20)
    q = model.posterior(x)
    z = q.sample(1)
    torch.testing.assert_close(model.log_joint(x, z[0]) - q.log_prob(z)[0], model.log_prob(x), rtol=1e-10, atol=1e-10)
    with pytest.raises(RuntimeError):
        torch.linalg.solve(dense(model), model.weight.T)
    inner = model.weight.T @ model.weight + model.variance * torch.eye(2)
    slide = NormalPosterior(q.mean, torch.linalg.cholesky(model.variance * inner)[None], exact=True)
    z = slide.sample(1)
    off = model.log_joint(x, z[0]) - slide.log_prob(z)[0] - model.log_prob(x)
    assert float(off.std()) > 0.1
    assert float(torch.linalg.eigvalsh(q.covariance[0])[-1]) < 1.0


def test_reconstruction_is_the_mean_of_what_is_generated() -> None:
    x = data(Real((2, 3))).double()
    model = fitted(x, 2)
    expected = model.mean + model.posterior(x).mean @ model.weight.T
    torch.testing.assert_close(model.reconstruct(x).flatten(1), expected)
    # It shrinks the projection of PCA: by sigma^2 / lambda along each direction.
    values, vectors = torch.linalg.eigh(torch.cov(x.flatten(1).T, correction=0))
    shrink = vectors[:, -2:] * (1.0 - model.variance / values[-2:])
    projected = model.mean + (x.flatten(1) - model.mean) @ vectors[:, -2:] @ shrink.T
    torch.testing.assert_close(expected, projected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("em", [False, True])
def test_half_of_the_values_tell_the_parameters(em: bool) -> None:
    """Within four standard errors, which the spread over other data sets tells."""
    found = []
    for seed in range(10):
        generator = torch.Generator().manual_seed(100 + seed)
        z, eps = torch.randn(1200, 2, generator=generator), torch.randn(1200, 6, generator=generator)
        weight = planted_weight()
        x = 3.0 + z @ weight.T + 0.5 * eps
        x[torch.rand(1200, 6, generator=generator) < 0.5] = math.nan
        model = ProbabilisticPCA(Real((6,)), 2, em=em, floor=1e-9)
        loglik.fit(model, x[~x.isnan().all(1)], tolerance=1e-7)
        found.append(torch.cat([model.mean, (model.weight @ model.weight.T).flatten(), model.variance[None]]))
    values = torch.stack(found)
    truth = torch.cat([torch.full((6,), 3.0), (weight @ weight.T).flatten(), torch.tensor([0.25])])
    off = (values.mean(0) - truth) / (values.std(0) / math.sqrt(10.0))
    assert float(off.abs().max()) < 4.5


def planted_weight() -> Tensor:
    return torch.randn(6, 2, generator=torch.Generator().manual_seed(7))
