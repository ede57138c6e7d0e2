"""Mistakes in baselines, mixtures, PPCA and the VAE, and in bounds, dequantisation and rescaling."""

from mutation import Mutation, Reach

from cases import COUPLINGS, ENCODER, IMAGES, LABEL_CONTEXT, LABELS, LEVELS, NARROW, REAL_CONTEXT, Case
from loglik.spaces import Integer, Real

MODEL = Reach.MODEL
PLANE = Real((2,))
FA, FAS = "models/latent/factor_analysis/model.py", ("tests/models/test_factor_analysis.py",)
VAE, VAES = "models/latent/vae.py", ("tests/models/test_vae.py",)
GMM, GMMS = "models/latent/gmm/model.py", ("tests/models/test_gmm.py",)
DEEP, DEEPS = "models/latent/deep_gmm/model.py", ("tests/models/test_deep_gmm.py",)
GAPS, GAPPY = "models/latent/gmm/gaps.py", ("tests/models/test_gmm_gaps.py",)
PPCA, PPCAS = "models/latent/ppca.py", ("tests/models/test_ppca.py",)
MPPCA, MPPCAS = "models/latent/mppca.py", ("tests/models/test_mppca.py",)
GAUSSIAN, GAUSSIANS = "models/baselines/gaussian.py", ("tests/models/test_gaussian.py",)
COUNTING = ("tests/models/test_uniform_and_histogram.py",)
DEQUANTIZED, DEQUANTISING = "models/dequantized.py", ("tests/models/test_dequantized.py",)
NOISE, NOISES = "models/flows/variational.py", ("tests/models/test_variational.py",)
ELEMENTWISE, BIJECTIONS = "bijections/elementwise.py", ("tests/bijections/test_bijections.py",)
LEARNED_NOISE = Case("nice", Integer((1,), 4), NARROW | {"dequantization": "variational"})

MUTATIONS = (
    Mutation(
        "uniform-one-level-short", "uniform", "log of levels - 1, the largest level, in place of levels",
        "models/baselines/uniform.py", "dims * math.log(self.space.levels)",
        "dims * math.log(self.space.levels - 1)", MODEL, COUNTING, "uniform", Case("uniform", LABELS),
    ),
    Mutation(
        "uniform-never-the-top", "uniform", "samples never take the highest level", "models/baselines/uniform.py",
        "torch.randint(self.space.levels, (n", "torch.randint(self.space.levels - 1, (n", MODEL, COUNTING, "uniform",
        Case("uniform", LABELS),
    ),
    Mutation(
        "histogram-smoothing-uncounted", "histogram", "smoothed counts are divided by the number of events",
        "models/baselines/histogram.py", "smoothed / smoothed.sum(1, keepdim=True)", "smoothed / stats.events", MODEL,
        COUNTING, "histogram", Case("histogram", LABELS),
    ),
    Mutation(
        "histogram-sampler-flattened", "histogram", "samples are drawn with the square roots of the probabilities",
        "models/baselines/histogram.py", "torch.multinomial(self.theta, n", "torch.multinomial(self.theta.sqrt(), n",
        MODEL, COUNTING, "histogram", Case("histogram", LABELS),
    ),
    Mutation(
        "gaussian-half-log-determinant", "gaussian", "half of log|L| is taken off", GAUSSIAN,
        "log_det = self.cholesky.diagonal().log().sum()", "log_det = 0.5 * self.cholesky.diagonal().log().sum()",
        MODEL, GAUSSIANS, "gaussian", Case("gaussian", PLANE),
    ),
    Mutation(
        "gaussian-transposed-factor", "gaussian", "samples are coloured with L in place of its transpose", GAUSSIAN,
        "eps @ self.cholesky.T", "eps @ self.cholesky", MODEL, GAUSSIANS, "gaussian", Case("gaussian", PLANE),
    ),
    Mutation(
        "gaussian-noise-of-another-width", "gaussian",
        "the closed form takes the noise of x + u for one of variance 1/3", GAUSSIAN, "BIN_VARIANCE = 1.0 / 12.0",
        "BIN_VARIANCE = 1.0 / 3.0", MODEL, GAUSSIANS, "gaussian", Case("gaussian", Integer((2,), 5)),
    ),
    Mutation(
        "moments-not-about-the-mean", "gaussian", "the covariance is taken about the shift, not about the mean",
        "moments.py", "self.second / self.events - torch.outer(offset, offset)", "self.second / self.events", MODEL,
        GAUSSIANS, "gaussian", Case("gaussian", PLANE),
    ),
    Mutation(
        "gmm-not-about-the-new-means", "gmm", "the M-step takes covariances about the means before it", GMM,
        "second = stats.second - self.covariance.outer(moved, moved)", "second = stats.second", MODEL, GMMS, "gmm",
        Case("gmm", PLANE, {"components": 3}),
    ),
    Mutation(
        "gmm-unit-forgotten", "gmm", "the density is that of the data in their own unit, without the log of the unit",
        GMM, "+ self.unit.log().sum() + 0.5", "+ 0.5", MODEL, GMMS, "gmm", Case("gmm", PLANE, {"components": 3}),
    ),
    Mutation(
        "gmm-even-weights-in-samples", "gmm", "samples take all components equally often", GMM,
        "torch.searchsorted(self.weights.cumsum(0), u)",
        "torch.searchsorted((0.0 * self.weights + 1.0 / self.components).cumsum(0), u)", MODEL, GMMS, "gmm",
        Case("gmm", PLANE, {"components": 3}),
    ),
    Mutation(
        "gmm-transposed-factor", "gmm", "samples of a component have the covariance L^T L",
        "models/latent/gmm/covariances.py", "return self.lower[k % len(self.scale)] @ z",
        "return self.lower[k % len(self.scale)].mT @ z", MODEL, GMMS, "gmm", Case("gmm", PLANE, {"components": 3}),
    ),
    Mutation(
        "gmm-weights-not-normalised", "gmm", "log pi is the logits as they are, which gradients may have moved", GMM,
        "return (self.logits.log_softmax(0) - volume)", "return (self.logits - volume)", MODEL, GMMS, "gmm",
        Case("gmm", PLANE, {"components": 3}),
    ),
    Mutation(
        "gmm-spherical-sum-of-dimensions", "gmm", "a spherical variance is the sum over dimensions, not the mean",
        "models/latent/gmm/covariances.py", "return self.dims * counts[:, None]", "return counts[:, None]", MODEL,
        GMMS, "gmm", Case("gmm", PLANE, {"components": 3, "covariance": "spherical"}),
    ),
    Mutation(
        "mppca-noise-sum-of-the-rest", "mppca", "sigma^2 is the sum of the variance that is left, not its mean", MPPCA,
        "values[:, :rest].mean(1, keepdim=True)", "values[:, :rest].sum(1, keepdim=True)", MODEL, MPPCAS, "mppca",
        Case("mppca", Real((2, 3)), {"components": 2, "latents": 2}),
    ),
    Mutation(
        "mppca-noise-of-the-least-direction", "mppca", "sigma^2 is the least eigenvalue, not the mean of the rest",
        MPPCA, "values[:, :rest].mean(1, keepdim=True)", "values[:, :1]", MODEL, MPPCAS, "mppca",
        Case("mppca", Real((2, 3)), {"components": 2, "latents": 2}),
    ),
    Mutation(
        "ppca-evidence-without-volume", "ppca", "the evidence of a number of directions leaves their volume out",
        "models/latent/directions.py", "log_volume.cumsum(0) - 0.5", "-0.5", Reach.RECIPE,
        ("tests/models/test_directions.py",), "", Case("ppca", Real((4,)), {"evidence": True}),
    ),
    Mutation(
        "ppca-reconstruction-without-mean", "ppca", "what the latents explain is not moved back to the mean", PPCA,
        "@ self.weight.T + self.mean).reshape(-1", "@ self.weight.T).reshape(-1", Reach.BESIDE, PPCAS,
    ),
    Mutation(
        "deep-gmm-one-determinant", "deep-gmm", "the density has the log-determinant of the first layer alone", DEEP,
        "self.log_weights + self.paths.log_det()", "self.log_weights + self.paths.layers[0].log_det().mean()", MODEL,
        DEEPS, "deep-gmm", Case("deep-gmm", PLANE, {"layers": (2, 2)}),
    ),
    Mutation(
        "deep-gmm-shift-added-in-samples", "deep-gmm", "samples go down with the shift added, not taken off",
        "models/latent/deep_gmm/paths.py", "(e[rows] - self.shifts[i])", "(e[rows] + self.shifts[i])", MODEL, DEEPS,
        "deep-gmm", Case("deep-gmm", PLANE, {"layers": (2, 2)}),
    ),
    Mutation(
        "deep-gmm-scatter-about-the-origin", "deep-gmm", "the last layer's scatter is not about its mean",
        "models/latent/deep_gmm/maximization.py",
        "second - n[:, None, None] * mean[:, :, None] * mean[:, None, :]", "second", MODEL, DEEPS, "deep-gmm",
        Case("deep-gmm", PLANE, {"layers": (2, 2)}),
    ),
    Mutation(
        "deep-gmm-paths-above-forgotten", "deep-gmm", "a searched path is scored without determinants above a layer",
        "models/latent/deep_gmm/searched.py",
        "constant = constant + (layers[i].log_det() + self.logits[i].log_softmax(0))[p[:, i]]",
        "constant = constant + self.logits[i].log_softmax(0)[p[:, i]]", MODEL, DEEPS, "deep-gmm",
        Case("deep-gmm", PLANE, {"layers": (65, 64)}),
    ),
    Mutation(
        "gmm-gaps-without-their-variance", "gmm", "what is missing adds its conditional mean, and no variance", GAPS,
        "@ completing.mT + counts[:, :, None, None] * rest", "@ completing.mT", MODEL, GAPPY,
        "gmm", Case("gmm", PLANE, {"components": 3}),
    ),
    Mutation(
        "gmm-gaps-volume-of-all-values", "gmm", "log p(x_observed) takes the constant of missing values off too", GAPS,
        "(seen.to(lower.dtype) @ sums.volume)[:, None]", "sums.volume.sum()", MODEL, GAPPY, "gmm",
        Case("gmm", PLANE, {"components": 3}),
    ),
    Mutation(
        "gmm-gaps-of-values-counted-in-full", "gmm",
        "diagonal covariances take a missing value for one at the mean, without variance", GAPS,
        "(square + self.counts[:, None] - observed)", "square", MODEL, GAPPY, "gmm",
        Case("gmm", PLANE, {"components": 3, "covariance": "diagonal"}),
    ),
    Mutation(
        "ppca-posterior-without-variance", "ppca", "the posterior's covariance is M^-1, without sigma^2", PPCA,
        "self.variance * torch.cholesky_inverse(root)", "torch.cholesky_inverse(root)", MODEL, PPCAS, "ppca",
        Case("ppca", PLANE, {"latents": 1, "em": True}),
    ),
    Mutation(
        "ppca-variance-over-all-dimensions", "ppca", "sigma^2 is the rest of the variance divided by D, not by D - q",
        PPCA, "/ (dims - kept)).clamp(min=0.0)", "/ dims).clamp(min=0.0)", MODEL, PPCAS, "ppca",
        Case("ppca", PLANE, {"latents": 1}),
    ),
    Mutation(
        "ppca-log-determinant-of-all-dimensions", "ppca", "log|C| counts sigma^2 in all D directions", PPCA,
        "(dims - latents) * self.variance.log()", "dims * self.variance.log()", MODEL, PPCAS, "ppca",
        Case("ppca", PLANE, {"latents": 1}),
    ),
    Mutation(
        "ppca-variance-for-deviation", "ppca", "the noise of samples is scaled by sigma^2", PPCA,
        "self.variance.sqrt() * eps", "self.variance * eps", MODEL, PPCAS, "ppca",
        Case("ppca", PLANE, {"latents": 1}),
    ),
    Mutation(
        "factor-analysis-slope-without-an-eigenvalue", "factor-analysis",
        "the slope of the likelihood in the noise forgets the smallest eigenvalue",
        "models/latent/factor_analysis/profile.py", "self.vectors[:, :rest].square() @ (self.values[:rest] - 1.0)",
        "self.vectors[:, 1:rest].square() @ (self.values[1:rest] - 1.0)", MODEL, FAS, "factor-analysis",
        Case("factor-analysis", Real((4,)), {"latents": 1}),
    ),
    Mutation(
        "factor-analysis-determinant-without-noise", "factor-analysis", "log|C| leaves log|Psi| out", FA,
        "2.0 * root.diagonal().log().sum() + self.noise.log().sum()", "2.0 * root.diagonal().log().sum()", MODEL, FAS,
        "factor-analysis", Case("factor-analysis", Real((4,)), {"latents": 1}),
    ),
    Mutation(
        "factor-analysis-posterior-of-the-slide", "factor-analysis", "the posterior's covariance is M, not its inverse",
        FA, "torch.linalg.cholesky(torch.cholesky_inverse(root))[None]", "root[None]", MODEL, FAS, "factor-analysis",
        Case("factor-analysis", Real((4,)), {"latents": 1}),
    ),
    Mutation(
        "vae-decoder-ignores-context", "vae", "the decoder is told a context of zeros, whatever it is given", VAE,
        "self.decoder(z, self.condition(context))",
        "self.decoder(z, None if context is None else 0.0 * self.condition(context))", MODEL, VAES, "vae and given",
        Case("vae", LABELS, ENCODER, LABEL_CONTEXT),
    ),
    Mutation(
        "vae-variance-for-deviation", "vae", "q's density reads log scale as log variance, its draws do not", VAE,
        "-sum_event(normal_log_prob(z, mean, log_scale))", "-sum_event(normal_log_prob(z, mean, 0.5 * log_scale))",
        MODEL, VAES, "vae",
        Case("vae", PLANE, {"hidden": (8,), "latents": 1}, REAL_CONTEXT),
    ),
    Mutation(
        "vae-twice-the-kl", "vae", "training counts the KL divergence twice", VAE, "kl = 0.5 * sum_event(",
        "kl = sum_event(", MODEL, VAES, "vae", Case("vae", Real((3,)), ENCODER),
    ),
    Mutation(
        "vae-one-noise-for-all", "vae", "all rows of a batch, so all draws of a bound, share one noise", VAE,
        "torch.randn_like(mean)\n        return {", "torch.randn_like(mean[:1])\n        return {", MODEL, VAES,
        "vae", Case("vae", Real((3,)), ENCODER),
    ),
    Mutation(
        "vae-rescaling-unpaid", "vae", "reals are standardised without the log-determinant", VAE,
        '"log p(x|z)": self._log_decoded(y, z, context) + log_det', '"log p(x|z)": self._log_decoded(y, z, context)',
        MODEL, VAES, "vae and Real", Case("vae", Real((1,)), ENCODER),
    ),
    Mutation(
        "bound-contexts-misaligned", "bounds",
        "in a K-sample bound, copies of rows and copies of contexts are in two orders", "contract/capabilities.py",
        "repeat_rows(context, k)", "(None if context is None else context.repeat(k, *[1] * (context.ndim - 1)))",
        MODEL, ("tests/models/test_vae.py", "tests/inference/test_evaluate.py"), "vae and given",
        Case("vae", PLANE, {"hidden": (8,), "latents": 1}, REAL_CONTEXT),
    ),
    Mutation(
        "log-mean-exp-without-the-largest", "bounds", "the largest term is left out of the sum, the others stay",
        "ops.py", "return t.logsumexp(dim) - math.log(t.shape[dim])",
        "return t.sort(dim).values.narrow(dim, 0, max(1, t.shape[dim] - 1)).logsumexp(dim) - math.log(t.shape[dim])",
        MODEL, VAES, "vae", Case("vae", Real((3,)), ENCODER),
    ),
    Mutation(
        "log-mean-exp-overflows", "bounds", "exp is taken before the largest term is taken out", "ops.py",
        "return t.logsumexp(dim) - math.log(t.shape[dim])", "return t.exp().mean(dim).log()", MODEL,
        ("tests/test_ops.py",), "", Case("vae", Integer((1, 20, 20), 256), ENCODER),
    ),
    Mutation(
        "log-sum-for-log-mean", "bounds", "the sum of K weights is not divided by K", "ops.py",
        " - math.log(t.shape[dim])", "", MODEL, VAES, "vae", Case("vae", Real((3,)), ENCODER),
    ),
    Mutation(
        "dequantisation-half-noise", "dequantisation",
        "noise fills half of each level: density there is learned twice as high", "ops.py",
        "return torch.rand(x.shape", "return 0.5 * torch.rand(x.shape", MODEL, DEQUANTISING,
        "realnvp-Integer-2-3", Case("realnvp", LEVELS, COUPLINGS),
    ),
    Mutation(
        "dequantised-samples-rounded", "dequantisation",
        "samples are rounded to the nearest level, where x + u asks for the one below", DEQUANTIZED,
        ".floor().clamp(", ".round().clamp(", MODEL, DEQUANTISING, "realnvp-Integer-2-3",
        Case("realnvp", Integer((2,), 5), COUPLINGS),
    ),
    Mutation(
        "dequantised-training-forgets-noise", "dequantisation",
        "the objective leaves out log q of noise that is learned", DEQUANTIZED, "else objective - log_q",
        "else objective", MODEL, NOISES, "nice-Integer", LEARNED_NOISE,
    ),
    Mutation(
        "learned-noise-unpaid", "dequantisation", "the bound leaves out log q of noise that is learned", DEQUANTIZED,
        '"-log q(u|x)": -log_q', '"-log q(u|x)": 0.0 * log_q', MODEL, NOISES, "nice-Integer", LEARNED_NOISE,
    ),
    Mutation(
        "learned-noise-wrong-sign", "dequantisation",
        "the log-determinant of learned noise is added where it is taken off", NOISE,
        "self.base.log_prob(eps) - log_det", "self.base.log_prob(eps) + log_det", MODEL, NOISES, "nice-Integer",
        LEARNED_NOISE,
    ),
    Mutation(
        "standardising-wrong-sign", "rescaling", "the log-determinant of standardising has the other sign",
        ELEMENTWISE, "(-self.places * self.scale.log().sum())", "(self.places * self.scale.log().sum())", MODEL,
        BIJECTIONS, "nice-Real-2", Case("nice", PLANE, NARROW),
    ),
    Mutation(
        "logit-range-unpaid", "rescaling", "the logit's log-determinant leaves out the range of the levels",
        ELEMENTWISE, "return z, math.log(self.slope) + ", "return z, ", MODEL, BIJECTIONS,
        "realnvp-Integer-2-5", Case("realnvp", Integer((2,), 5), COUPLINGS | {"rescale": "logit"}),
    ),
    Mutation(
        "gaussianising-wrong-sign", "rescaling", "log N(z) is added to the log-determinant of Gaussianising",
        ELEMENTWISE, "(mass.log() - normal_log_prob(z)).reshape", "(mass.log() + normal_log_prob(z)).reshape",
        MODEL, BIJECTIONS, "realnvp-images-Integer-1x2x2", Case("realnvp-images", Integer((1, 2, 2), 2), IMAGES),
    ),
)  # fmt: skip
