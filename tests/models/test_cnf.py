"""Continuous flows as models: what training maximises and what is reported, integers, a density in the plane."""

import pytest
import torch

from cases import LABEL_CONTEXT, data
from loglik.bijections.continuous import Continuous
from loglik.contract import Claim, Model
from loglik.data.synthetic.toys import load_toy
from loglik.errors import UsageError
from loglik.inference.evaluate import evaluate
from loglik.models.dequantized import Dequantized
from loglik.models.flows.cnf import cnf
from loglik.models.flows.ffjord import ffjord, ffjord_images
from loglik.ops import uniform_like
from loglik.spaces import Category, Integer, Real, Space
from loglik.training.fit import fit

PLANE = Real((2,))
SMALL = {"hidden": (8, 7)}


def lively(model: Model, space: Space = PLANE, context: Space | None = None) -> Model:
    """Initialised, with fields that move."""
    with torch.no_grad():
        model.initialize(data(space), None if context is None else data(context))
        for part in model.modules():
            if isinstance(part, Continuous):
                part.field.layers[-1].weight.normal_(std=0.5)
    return model


def test_penalties_are_charged_in_training_alone() -> None:
    x = data(PLANE)
    torch.manual_seed(0)
    free = lively(cnf(PLANE, **SMALL, tolerance=1e-6))
    for charge in ({"kinetic": 3.0}, {"jacobian": 3.0}):
        torch.manual_seed(0)
        charged = lively(cnf(PLANE, **SMALL, tolerance=1e-6, **charge))
        torch.testing.assert_close(charged.log_likelihood(x), free.log_likelihood(x))
        assert bool((charged.objective(x) < free.objective(x) - 1e-3).all())
    torch.testing.assert_close(free.objective(x), free.log_likelihood(x), atol=1e-3, rtol=0)


def test_ffjord_is_scored_with_the_exact_trace() -> None:
    """The same weights give the same score as in cnf; estimated where told so, differently with each seed."""
    x = data(PLANE)
    torch.manual_seed(0)
    exact = lively(cnf(PLANE, **SMALL))
    for told, claim in ((None, Claim.EXACT), (False, Claim.ESTIMATE)):
        model = lively(ffjord(PLANE, **SMALL, exact=told))
        model.load_state_dict(exact.state_dict())
        assert model.claim is claim
        same = torch.allclose(model.log_likelihood(x), exact.log_likelihood(x), atol=1e-4)
        assert same is (claim is Claim.EXACT)
        assert not torch.equal(model.objective(x), model.objective(x))
    estimates = model.log_likelihood(x[:4].repeat(400, 1)).reshape(400, 4)
    error = estimates.mean(0) - exact.log_likelihood(x[:4])
    assert bool((error.abs() < 4.0 * estimates.std(0) / 20.0 + 1e-5).all())


def test_a_score_tells_the_tolerance_and_the_evaluations() -> None:
    model = lively(cnf(PLANE, **SMALL))
    score = evaluate(model, data(PLANE))
    assert score.tolerance == 1e-6
    assert score.evaluations is not None
    assert 20 < score.evaluations < 400
    assert f"solved to 1e-06 with {score.evaluations:.0f} evaluations" in str(score)
    assert score.to_json()["evaluations"] == score.evaluations
    assert score.to_json()["tolerance"] == 1e-6
    sharp = evaluate(model.double(), data(PLANE))
    assert sharp.tolerance == 1e-11
    assert abs(score.nats - sharp.nats) < 1e-5


def test_scores_of_models_without_an_equation_say_nothing_of_it() -> None:
    from loglik.zoo import build

    score = evaluate(build("gaussian", PLANE), data(PLANE))
    assert score.tolerance is None
    assert score.evaluations is None
    assert "evaluations" not in str(score)


def test_integers_train_on_what_the_density_trains_on() -> None:
    """The bound is scored sharply and trained loosely, both at x + u."""
    space = Integer((2,), 9)
    model = ffjord(space, **SMALL)
    assert isinstance(model, Dequantized)
    x = data(space)
    lively(model, space)
    torch.manual_seed(0)
    y = model.events(x) + uniform_like(x)
    loose = model.density.objective(y)
    torch.manual_seed(0)
    torch.testing.assert_close(model.objective(x), loose)
    assert model.claim is Claim.LOWER_BOUND
    assert ffjord(space, **SMALL, exact=False).claim is Claim.ESTIMATE


def test_samples_come_back_the_way_that_scores_go() -> None:
    model = cnf(PLANE, **SMALL, context=LABEL_CONTEXT)
    lively(model, PLANE, LABEL_CONTEXT)
    c = torch.tensor([[2]])
    torch.manual_seed(4)
    x = model.sample(6, c)
    torch.manual_seed(4)
    z = model.base.sample(6, c.expand(6, 1))
    torch.testing.assert_close(model.noise(x, c.expand(6, 1))[0], z, atol=1e-5, rtol=0)


def test_images_move_at_several_scales_and_keep_count_of_their_volume() -> None:
    """The exact trace is autograd's log-determinant; the estimated one is right on average; images come back."""
    space = Real((2, 2))
    torch.manual_seed(0)
    exact = lively(ffjord_images(space, hidden=(3, 4)), space)
    assert exact.claim is Claim.EXACT
    assert sum(isinstance(part, Continuous) for part in exact.modules()) == 3
    x = data(space)[:2]
    flow = exact.bijection
    y = exact.rescale(x)[0].detach().to(exact.dtype)
    z, log_det = flow(y)
    for row, image in enumerate(y):
        jacobian = torch.autograd.functional.jacobian(lambda one: flow(one[None])[0][0], image).reshape(4, 4)
        truth = torch.linalg.slogdet(jacobian).logabsdet
        torch.testing.assert_close(log_det[row], truth, atol=1e-4, rtol=0, check_dtype=False)
    torch.testing.assert_close(flow.preimage(z), y, atol=1e-5, rtol=0)
    assert flow.training_forward(y)[1].shape == log_det.shape
    estimated = ffjord_images(space, hidden=(3, 4), exact=False)
    estimated.load_state_dict(exact.state_dict())
    assert estimated.claim is Claim.ESTIMATE
    with torch.no_grad():
        many = estimated.log_likelihood(x[:1].expand(300, 2, 2))
        assert abs(float(many.mean() - exact.log_likelihood(x[:1]))) < 4.0 * float(many.std()) / 300**0.5
        assert abs(float(log_det[0])) > 0.05


def test_integer_images_are_dequantised() -> None:
    space = Integer((1, 4, 4), 5)
    model = lively(ffjord_images(space, hidden=(3,), scales=2), space)
    assert model.claim is Claim.LOWER_BOUND
    assert bool(torch.isfinite(model.log_likelihood(data(space)[:4])).all())
    assert model.sample(3).shape == (3, 1, 4, 4)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"gradient": "magic"}, "Expected gradient 'backprop' or"),
        ({"rescale": "half"}, "Expected rescale"),
        ({"noise": "pink"}, "Expected noise 'rademacher' or"),
        ({"probes": 0}, "at least 1 probe"),
        ({"gain": -1.0}, "Expected gain > 0"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        ffjord(Integer((2,), 3), **options)  # type: ignore[arg-type]


def test_labels_have_no_density() -> None:
    with pytest.raises(UsageError, match="is a density"):
        cnf(Category((2,), 3))


def test_a_density_in_the_plane_is_learned() -> None:
    """A few steps bring eight clusters nearer to their true density than any Gaussian is."""
    toy = load_toy("eight-gaussians")
    assert toy.log_density is not None
    model = cnf(PLANE, hidden=(24, 24), tolerance=1e-4)
    fit(model, toy.train.x[:4000], steps=120, lr=2e-2, batch=128, ema=0.95, evaluations=1)
    x = toy.test.x[:2000]
    regret = float(toy.log_density(x).mean()) - evaluate(model, x).nats
    gaussian = cnf(PLANE, hidden=(4,))
    with torch.no_grad():
        gaussian.initialize(toy.train.x)  # at rest it is the Gaussian of the marginals
    first = float(toy.log_density(x).mean()) - evaluate(gaussian, x).nats
    assert first > 0.9
    assert regret < 0.5 * first
