"""The law of units: a x + b in place of x moves every score by -sum log|a|, and by nothing else; nor do those of c.

Models are fitted anew to each, by the same steps. Where a and b are powers of two nothing is rounded, and what nets see
is the same to the last bit; else the trainings part by rounding, and scores by little.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import loglik
from cases import CASES, REAL_CONTEXT, Case, data
from loglik.models.latent.ppca import ppca
from loglik.spaces import Integer, Real

STATED = {"mean", "scale", "known", "weights"}  # of a prior in units of the data, which do not move with them
REALS = [case for case in CASES if isinstance(case.space, Real) and not STATED & set(case.hyperparameters)]
EXACT_UP_TO = 1e-6


def one_scale_for_all(case: Case) -> bool:
    """Whose model is about values in one unit: pixels that share weights, variances equal in all directions."""
    return case.model_name == "ride" or case.hyperparameters.get("covariance") == "spherical"


def units(case: Case) -> Tensor:
    """(D,): powers of two from 2^-20 to 2^20."""
    powers = torch.arange(case.space.dims) * 13 % 41 - 20
    return 2.0 ** (powers[:1].expand_as(powers) if one_scale_for_all(case) else powers).double()


@pytest.mark.parametrize("case", REALS, ids=str)
def test_scores_follow_the_unit_of_each_column(case: Case) -> None:
    x, a = data(case.space).double(), units(case).reshape(case.space.shape)
    c = None if case.context is None else data(case.context)
    here = case.model(x)
    there = case.model(a * x)
    with torch.no_grad():
        torch.manual_seed(1)
        first = here.log_likelihood(x, c)
        torch.manual_seed(1)
        second = there.log_likelihood(a * x, c)
    torch.testing.assert_close(second + float(a.log().sum()), first, rtol=EXACT_UP_TO, atol=EXACT_UP_TO)


@pytest.mark.parametrize("case", [case for case in CASES if case.context == REAL_CONTEXT], ids=str)
def test_scores_do_not_depend_on_the_unit_of_the_context(case: Case) -> None:
    x, c = data(case.space), data(REAL_CONTEXT).double()
    other = c * torch.tensor([2.0**15, 2.0**-15]).double()
    here, there = case.model(), case.model(context=other)
    with torch.no_grad():
        torch.manual_seed(1)
        first = here.log_likelihood(x, c)
        torch.manual_seed(1)
        second = there.log_likelihood(x, other)
    torch.testing.assert_close(second, first, rtol=EXACT_UP_TO, atol=EXACT_UP_TO)


@pytest.mark.parametrize("name", ["gaussian", "ppca", "gmm", "made", "realnvp", "maf", "vae"])
def test_time_stamps_and_coordinates_keep_their_digits(name: str) -> None:
    """The mean is a million standard deviations away; the right score is that of the same rows shifted back."""
    generator = np.random.default_rng(0)
    near = np.c_[170.0 * generator.normal(size=400), generator.normal(size=400)]
    far = near + np.array([1.7e9, -3.0e6])
    scores = []
    for x in (near, far):
        model = loglik.build(name, Real((2,)), seed=0)
        loglik.fit(model, x, steps=30, seed=0)
        scores.append(loglik.evaluate(model, x).nats)
    assert scores[1] == pytest.approx(scores[0], abs=1e-3)


def test_one_absurd_row_costs_the_others_nothing() -> None:
    """What nets see is the rows without it, to a few thousandths."""
    generator = np.random.default_rng(0)
    clean = generator.normal(size=(3000, 2))
    spoilt = clean.copy()
    spoilt[7] = 1e6
    scores = []
    for x in (clean, spoilt):
        model = loglik.build("maf", Real((2,)), seed=0, layers=2, hidden=(16,))
        loglik.fit(model, x, steps=150, seed=0)
        scores.append(loglik.evaluate(model, clean).nats)
    assert scores[1] > scores[0] - 0.1


def test_what_overflows_is_not_finite_and_what_does_not_is_right() -> None:
    """Of a standard normal flow log p(x) is -x^2 / 2 to the leading digit, far beyond the squares of float32."""
    x = torch.randn(300, 2, dtype=torch.float64)
    for name in ("maf", "realnvp", "nsf"):
        model = loglik.build(name, Real((2,)), seed=0)
        loglik.fit(model, x, steps=1, lr=1e-12, seed=0)
        far = loglik.evaluate(model, torch.full((1, 2), 1e25, dtype=torch.float64))
        assert -1e51 < far.nats < -1e49
        beyond = loglik.evaluate(model, torch.full((1, 2), 1e60, dtype=torch.float64))
        assert beyond.not_finite == [0]


def test_sixteen_bits_of_integers_and_their_noise_are_told_apart() -> None:
    """The bound of a model in float32 is that of its copy in float64: x + u is not rounded up to the next level."""
    torch.manual_seed(0)
    space = Integer((1,), 65536)
    x = (32768 + 2 * (torch.randn(2000, 1) * 50).round()).long()  # even levels alone
    model = loglik.build("nsf", space, seed=0, hidden=(8,), layers=1)
    loglik.fit(model, x, steps=60, seed=0)
    odd = torch.full((500, 1), 32767) + 2 * torch.randint(-20, 20, (500, 1))
    single, double = loglik.evaluate(model, odd, samples=64), loglik.evaluate(model.double(), odd, samples=64)
    assert single.nats == pytest.approx(double.nats, abs=0.02)


def test_the_textbook_pca_is_scikit_learns() -> None:
    from sklearn.decomposition import PCA

    x = torch.randn(200, 5, dtype=torch.float64) * torch.tensor([1e3, 10.0, 1.0, 0.1, 1e-3]).double()
    model = ppca(Real((5,)), latents=2, standardize=False, floor=0.0)
    loglik.fit(model, x)
    n = len(x)
    # scikit-learn divides by n - 1: its density is ours of data that much wider.
    wider = x * math.sqrt(n / (n - 1))
    theirs = PCA(2).fit(x.numpy()).score_samples((x - x.mean(0)).numpy() + x.mean(0).numpy())
    again = ppca(Real((5,)), latents=2, standardize=False, floor=0.0)
    loglik.fit(again, wider - wider.mean(0) + x.mean(0))
    torch.testing.assert_close(again.log_likelihood(x), torch.from_numpy(theirs), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("name", "given"), [("gaussian", {}), ("ppca", {"latents": 4})])
def test_where_rows_leave_no_variance_a_warning_says_so(name: str, given: dict[str, int]) -> None:
    with pytest.warns(loglik.errors.FitWarning, match="follows from the floor"):
        loglik.fit(loglik.build(name, Real((100,)), **given), np.random.default_rng(0).normal(size=(5, 100)))
