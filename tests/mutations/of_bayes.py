"""Mistakes in models whose parameters are integrated over."""

from mutation import Mutation, Reach

from cases import LABELS, REAL_CONTEXT, Case
from loglik.spaces import Real

MODEL = Reach.MODEL
TESTS = ("tests/models/test_bayes.py",)
HISTOGRAM, LINEAR = "models/bayes/bayes_histogram.py", "models/bayes/linear_gaussian.py"
MIXTURE, MIXTURES = "models/bayes/bayes_gmm.py", ("tests/models/test_bayes_gmm.py",)
MIXTURE_CASE = Case("bayes-gmm", Real((2,)), {"components": 5, "mean": (0.0,), "scale": (1.0,)})
STUDENT_T = "models/bayes/student_t.py"
GAUSSIAN_CASE = Case("bayes-gaussian", Real((2,)))
LINEAR_CASE = Case("bayes-linear", Real((3,)), {"weights": (0.0,), "scale": (1.0,)}, REAL_CONTEXT)

MUTATIONS = (
    Mutation(
        "dirichlet-evidence-without-prior", "bayes-histogram", "the evidence leaves out the prior's constant",
        HISTOGRAM, "_log_beta(posterior) - _log_beta(prior)", "_log_beta(posterior) - 0.0 * _log_beta(prior)", MODEL,
        TESTS, "bayes-histogram", Case("bayes-histogram", LABELS),
    ),
    Mutation(
        "dirichlet-counts-kept", "bayes-histogram", "a fit goes on from the counts of the fit before", HISTOGRAM,
        "self.counts.zero_()", "self.counts.mul_(1.0)", MODEL, TESTS, "bayes-histogram",
        Case("bayes-histogram", LABELS),
    ),
    Mutation(
        "bayes-gaussian-plug-in-width", "bayes-gaussian", "the predictive forgets that the mean is uncertain", LINEAR,
        "return 1.0 + whitened.square()", "return 1.0 + 0.0 * whitened.square()", MODEL, TESTS,
        "bayes-gaussian", GAUSSIAN_CASE,
    ),
    Mutation(
        "bayes-gaussian-light-tails", "bayes-gaussian", "the tail has nu for nu + D", STUDENT_T,
        "0.5 * (finite + dims) * torch.log1p", "0.5 * finite * torch.log1p", MODEL, TESTS, "bayes-gaussian",
        GAUSSIAN_CASE,
    ),
    Mutation(
        "bayes-gmm-scatter-not-about-mean", "bayes-gmm", "half of the means' part stays in the scatter", MIXTURE,
        "self.second - beta[:, None, None]", "self.second - 0.5 * beta[:, None, None]", MODEL, MIXTURES,
        "bayes-gmm", MIXTURE_CASE,
    ),
    Mutation(
        "bayes-gmm-mean-certain", "bayes-gmm", "the predictive forgets that the means are uncertain", MIXTURE,
        "((1.0 + 1.0 / beta) / freedom)", "(1.0 / freedom)", MODEL, MIXTURES,
        "bayes-gmm", MIXTURE_CASE,
    ),
    Mutation(
        "bayes-linear-one-freedom-too-many", "bayes-linear", "nu - D + 2 degrees of freedom for nu - D + 1", LINEAR,
        "self.rows - self.space.dims + 1.0", "self.rows - self.space.dims + 2.0", MODEL, TESTS, "bayes-linear",
        LINEAR_CASE,
    ),
    Mutation(
        "bayes-linear-evidence-without-volume", "bayes-linear", "the evidence leaves out |Lambda|, the Occam factor",
        LINEAR, "- root.diagonal().log().sum())", "- 0.0 * root.diagonal().log().sum())", MODEL, TESTS, "bayes-linear",
        LINEAR_CASE,
    ),
)  # fmt: skip
