"""Mistakes in flows: couplings, autoregressive ones, splines, continuous ones, and the solvers beneath these."""

from mutation import Mutation, Reach

from cases import (
    CONTINUOUS,
    CONVOLUTIONS,
    COUPLINGS,
    IMAGES,
    LABEL_CONTEXT,
    NARROW,
    REAL_CONTEXT,
    SMALL,
    SPLINES,
    Case,
)  # fmt: skip
from loglik.spaces import Real

MODEL, RECIPE, BESIDE = Reach.MODEL, Reach.RECIPE, Reach.BESIDE
PLANE = Real((2,))
BIJECTIONS, PARTS = ("tests/bijections/test_bijections.py",), ("tests/bijections/test_image_parts.py",)
MAFS, SPLINED = ("tests/models/test_maf.py",), ("tests/bijections/test_spline.py",)
MOVING, FIELDS = ("tests/bijections/test_continuous.py",), ("tests/nets/test_field.py",)
ORDERS, ADJOINTS = ("tests/ode/test_order.py",), ("tests/ode/test_gradients.py",)
EVENTS, SOLVED = ("tests/ode/test_events.py",), ("tests/ode/test_solutions.py",)
NORMED = Case("realnvp", Real((7,)), COUPLINGS | {"norm": "batch"})

MUTATIONS = (
    Mutation(
        "realnvp-log-slopes-of-all", "realnvp-images",
        "the log-determinant of a checkerboard counts pixels that are not moved", "bijections/coupling.py",
        "self._chosen(x, z), sum_event(log_slope * (1.0 - self.mask))", "self._chosen(x, z), sum_event(log_slope)",
        MODEL, BIJECTIONS, "realnvp-images-Real-1x4x4", Case("realnvp-images", Real((1, 4, 4)), IMAGES),
    ),
    Mutation(
        "realnvp-net-sees-what-it-moves", "realnvp-images", "the net of a checkerboard reads all pixels",
        "bijections/coupling.py", "passed.clamp(-FAR, FAR) * self.mask, context", "passed.clamp(-FAR, FAR), context",
        MODEL, BIJECTIONS, "realnvp-images-Real-1x4x4", Case("realnvp-images", Real((1, 4, 4)), IMAGES),
    ),
    Mutation(
        "realnvp-inverse-of-another-map", "realnvp", "samples shift before they scale, as scoring does not undo",
        "bijections/affine.py", "return z * torch.exp(log_scale) + shift, log_scale",
        "return (z + shift) * torch.exp(log_scale), log_scale", MODEL, BIJECTIONS, "realnvp-Real-2",
        Case("realnvp", PLANE, COUPLINGS),
    ),
    Mutation(
        "realnvp-values-in-the-wrong-places", "realnvp",
        "the two parts of a coupling are put together by the wrong permutation", "bijections/coupling.py",
        'self.register_buffer("back", torch.cat([passes, moves]).argsort()',
        'self.register_buffer("back", torch.cat([passes, moves])', MODEL, BIJECTIONS, "realnvp-Real-7", NORMED,
    ),
    Mutation(
        "batch-norm-half-in-training", "realnvp", "batch normalisation's log-determinant is halved, in training only",
        "bijections/batch_norm.py", "z, log_det = self(x)\n", "z, log_det = self(x)[0], 0.5 * self(x)[1]\n", MODEL,
        ("tests/bijections/test_batch_norm.py", "tests/models/test_objectives.py"), "realnvp-Real-7", NORMED,
    ),
    Mutation(
        "batch-norm-of-one-place", "realnvp-images",
        "batch normalisation of an image counts its channels once, not at every pixel", "bijections/batch_norm.py",
        "(self.places * log_slope.sum())", "log_slope.sum()", MODEL, BIJECTIONS, "realnvp-images-Real-3x3",
        Case("realnvp-images", Real((3, 3)), IMAGES | {"norm": "batch"}),
    ),
    Mutation(
        "nice-samples-another-base", "nice", "samples start from a standard normal, scores from a logistic",
        "densities.py", "return torch.logit(u, eps=0.5 * torch.finfo(self.dtype).eps)",
        "return torch.special.ndtri(u.clamp(1e-6, 1.0 - 1e-6))", MODEL,
        ("tests/models/test_nice.py", "tests/bijections/test_image_parts.py"), "nice-Real-2",
        Case("nice", PLANE, SMALL),
    ),
    Mutation(
        "nice-one-sided-logistic", "nice", "log sigma(z) is counted twice, log sigma(-z) never", "densities.py",
        "return -F.softplus(x) - F.softplus(-x)", "return -2.0 * F.softplus(-x)", MODEL,
        ("tests/bijections/test_image_parts.py", "tests/models/test_nice.py"), "nice-Real-2",
        Case("nice", PLANE, SMALL),
    ),
    Mutation(
        "nice-same-half", "nice", "all couplings move the same half", "models/flows/nice.py",
        "alternate(dims, layer)", "alternate(dims, 0)", RECIPE, ("tests/models/test_nice.py",), "",
        Case("nice", PLANE, SMALL),
    ),
    Mutation(
        "glow-convolution-of-one-place", "glow",
        "the log-determinant of a 1 x 1 convolution is counted for one pixel", "bijections/convolution.py",
        "x.shape[2] * x.shape[3] * self.weight.log_abs_det()", "self.weight.log_abs_det()", MODEL, PARTS,
        "glow-Real-2x4x4", Case("glow", Real((2, 4, 4)), CONVOLUTIONS),
    ),
    Mutation(
        "glow-actnorm-of-one-place", "glow", "ActNorm of an image counts its channels once, not at every pixel",
        "bijections/linear.py", "return z, (log_scale.sum() * -places)", "return z, (-log_scale.sum())", MODEL,
        BIJECTIONS, "glow-Real-1x2", Case("glow", Real((1, 2)), CONVOLUTIONS | {"layers": 2}),
    ),
    Mutation(
        "glow-solves-in-the-wrong-order", "glow", "the inverse of P L U takes P for its own inverse",
        "bijections/lu.py", "z[self.order.argsort()]", "z[self.order]", MODEL, ("tests/bijections/test_lu.py",),
        "glow-Real-3x2x4", Case("glow", Real((3, 2, 4)), CONVOLUTIONS),
    ),
    Mutation(
        "glow-mixture-slope-without-scale", "glow", "a coupling's log scale is left out of its log-determinant",
        "bijections/logistic_mixture.py", "* torch.exp(-log_scale), log_slope - log_scale",
        "* torch.exp(-log_scale), log_slope", MODEL, ("tests/bijections/test_logistic_mixture.py",),
        "glow-Real-3x2x4",
        Case("glow", Real((3, 2, 4)), CONVOLUTIONS | {"transform": "logistic-mixture", "components": 3}),
    ),
    Mutation(
        "glow-halves-swapped-in-samples", "glow", "samples join the two halves of the channels the wrong way round",
        "bijections/multiscale.py", "return torch.cat([kept, self.rest.preimage(deeper, context)], dim=1)",
        "return torch.cat([self.rest.preimage(deeper, context), kept], dim=1)", MODEL,
        (*BIJECTIONS, "tests/bijections/test_image_parts.py", "tests/models/test_glow.py"), "glow-Real-2x4x4",
        Case("glow", Real((2, 4, 4)), CONVOLUTIONS, LABEL_CONTEXT),
    ),
    Mutation(
        "maf-inverts-in-the-wrong-order", "maf",
        "noise is read first to last, where values come in the layer's own order", "bijections/autoregressive.py",
        "noise = z[:, order].T.unsqueeze(-1)", "noise = z.T.unsqueeze(-1)", MODEL, MAFS, "maf-Real-2",
        Case("maf", PLANE, COUPLINGS),
    ),
    Mutation(
        "maf-every-layer-the-same-way", "maf", "no layer goes from the last value to the first",
        "models/flows/maf.py", "torch.arange(dims) if layer % 2 == 0 else torch.arange(dims).flip(0)",
        "torch.arange(dims)", RECIPE, MAFS, "", Case("maf", PLANE, COUPLINGS),
    ),
    Mutation(
        "maf-mixture-base-not-normalised", "maf", "a mixture of normals takes logits for log weights",
        "models/flows/bases.py", "joint = self.logits.log_softmax(0) + ", "joint = self.logits + ", MODEL, MAFS,
        "maf-Real-2", Case("maf", PLANE, COUPLINGS | {"base": "mixture", "components": 3}),
    ),
    Mutation(
        "maf-mixture-base-drawn-too-wide", "maf", "draws of a mixture of normals leave out the components' scales",
        "models/flows/bases.py", "self.means[k] + torch.exp(self._log_scales()[k]) * eps", "self.means[k] + eps",
        MODEL, MAFS, "maf-Real-2", Case("maf", PLANE, COUPLINGS | {"base": "mixture", "components": 3}),
    ),
    Mutation(
        "iaf-log-determinant-the-other-way", "iaf", "the compiled inverse gives minus its log-determinant",
        "nets/masked/kernel.py", "log_scales[r] += limit", "log_scales[r] -= limit", MODEL,
        ("tests/models/test_iaf_gradients.py",), "iaf-Real-2", Case("iaf", PLANE, COUPLINGS),
    ),
    Mutation(
        "iaf-gradient-of-fixed-parameters", "iaf", "gradients of the inverse take its parameters for constants",
        "bijections/autoregressive.py", "return SolvedInverse.apply(self, z, context, *self.net.parameters())",
        "x, slope = self.transform.inverse(z, self.read(self.net, self.solved(z, context)[0], context))\n"
        "        return x, slope.sum(1)",
        BESIDE, ("tests/models/test_iaf_gradients.py",),
    ),
    Mutation(
        "iaf-forgets-the-context", "iaf", "value by value, the inverse is not told the context",
        "bijections/autoregressive.py", "steps = self.net.steps(len(z), context)",
        "steps = self.net.steps(len(z), None if context is None else 0.0 * context)", MODEL, MAFS, "iaf and given",
        Case("iaf", Real((7,)), SMALL | {"layers": 2}, REAL_CONTEXT),
    ),
    Mutation(
        "nsf-slope-misses-a-term", "nsf", "the slope of the spline counts its middle term once, not twice",
        "bijections/spline/curve.py", "num = d1 * xi.square() + 2.0 * s * both + d0",
        "num = d1 * xi.square() + s * both + d0", MODEL, SPLINED, "nsf-Real-2", Case("nsf", PLANE, SPLINES),
    ),
    Mutation(
        "nsf-kernel-misses-a-term", "nsf", "the compiled loops count the middle term of the slope once",
        "bijections/spline/kernel.py", "+ two * s[r] * xi[r] * rest +", "+ s[r] * xi[r] * rest +", MODEL, SPLINED,
        "nsf-Real-2", Case("nsf", PLANE, SPLINES),
    ),
    Mutation(
        "nsf-kernel-knots-in-shares", "nsf-coupling",
        "the compiled loops place a value by widths where heights are meant", "bijections/spline/kernel.py",
        "locate(z, h, start, 1, c, block, rows)", "locate(z, h, start, 0, c, block, rows)", MODEL, SPLINED,
        "nsf-coupling-Real-2", Case("nsf-coupling", PLANE, SPLINES | {"layers": 3}),
    ),
    Mutation(
        "nsf-other-root", "nsf-coupling", "the inverse of a spline solves another quadratic",
        "bijections/spline/curve.py", "(b.square() + 4.0 * a * s * rise)", "(b.square() - 4.0 * a * s * rise)", MODEL,
        SPLINED, "nsf-coupling-Real-2", Case("nsf-coupling", PLANE, SPLINES | {"layers": 3}),
    ),
    Mutation(
        "cnf-samples-go-forward", "cnf", "samples move along the field in the direction of scoring",
        "bijections/continuous.py", "SPAN[::-1], self.field.no_directions()", "SPAN, self.field.no_directions()", MODEL,
        ("tests/models/test_cnf.py", *MOVING), "cnf-Real-2", Case("cnf", PLANE, CONTINUOUS),
    ),
    Mutation(
        "cnf-solved-loosely", "cnf", "scores are solved to one part in ten", "bijections/continuous.py",
        "EXACT = {torch.float32: 1e-6, torch.float64: 1e-11}", "EXACT = {torch.float32: 1e-1, torch.float64: 1e-1}",
        MODEL, MOVING, "cnf-Real-2", Case("cnf", PLANE, CONTINUOUS | {"gain": None}),
    ),
    Mutation(
        "cnf-kernel-trace-doubled", "cnf", "the compiled field counts its divergence twice", "nets/fields/kernel.py",
        "trace[r] += scale * dot(", "trace[r] += 2.0 * scale * dot(", MODEL, FIELDS, "cnf-Real-2",
        Case("cnf", PLANE, CONTINUOUS),
    ),
    Mutation(
        "ffjord-sum-of-probes", "ffjord", "Hutchinson's estimate sums its probes", "nets/fields/field.py",
        "Directions(eps @ first.T, eps @ last, 1.0 / len(eps))", "Directions(eps @ first.T, eps @ last)", MODEL,
        MOVING, "ffjord-Real-2", Case("ffjord", PLANE, CONTINUOUS | {"probes": 2}),
    ),
    Mutation(
        "ffjord-probes-too-long", "ffjord", "normal probes have the variance 4", "bijections/continuous.py",
        "return torch.randn(shape, dtype=like.dtype, device=like.device)",
        "return 2.0 * torch.randn(shape, dtype=like.dtype, device=like.device)", MODEL, MOVING, "ffjord-Real-7",
        Case("ffjord", Real((7,)), CONTINUOUS | {"noise": "gaussian"}),
    ),
    Mutation(
        "ffjord-penalty-paid-out", "ffjord", "training adds the penalty of the way where it is to be taken off",
        "bijections/continuous.py", "return z, log_det - penalty", "return z, log_det + penalty", MODEL,
        ("tests/models/test_cnf.py",), "",
        Case("cnf", PLANE, CONTINUOUS | {"kinetic": 0.05, "jacobian": 0.05}, LABEL_CONTEXT),
    ),
    Mutation(
        "image-field-trace-doubled", "ffjord-images", "the field of images counts its divergence twice",
        "nets/fields/image_field.py", "return self.scale * (self.eps * tangents)",
        "return 2.0 * self.scale * (self.eps * tangents)", MODEL, ("tests/models/test_cnf.py",), "ffjord-images",
        Case("ffjord-images", Real((2, 2)), {"hidden": (3, 4)}),
    ),
    Mutation(
        "image-field-slope-forgotten", "ffjord-images", "directions pass a softplus as if it had the slope 1",
        "nets/fields/image_field.py", "(torch.sigmoid(s) * tangents).flatten(0, 1)", "tangents.flatten(0, 1)", MODEL,
        ("tests/models/test_cnf.py",), "ffjord-images", Case("ffjord-images", Real((2, 2)), {"hidden": (3, 4)}),
    ),
    Mutation(
        "flow-log-determinant-forgotten", "nice", "a flow gives the density of z for that of x",
        "models/flow.py", "return self.base.log_likelihood(z, context) + log_det",
        "return self.base.log_likelihood(z, context) + 0.0 * log_det", MODEL, ("tests/models/test_nice.py",),
        "nice-Real-1", Case("nice", Real((1,)), NARROW, REAL_CONTEXT),
    ),
    Mutation(
        "flow-trains-on-the-base-alone", "nice", "training maximises the density of z, without the log-determinant",
        "models/flow.py", "return self.base.objective(z, context) + log_det",
        "return self.base.objective(z, context) + 0.0 * log_det", MODEL, ("tests/models/test_objectives.py",),
        "nice-Real-2", Case("nice", PLANE, NARROW),
    ),
    Mutation(
        "rk4-even-weights", "solvers", "the classical method weighs its four slopes equally", "ode/tableaus.py",
        "b=(1 / 6, 1 / 3, 1 / 3, 1 / 6)", "b=(1 / 4, 1 / 4, 1 / 4, 1 / 4)", BESIDE, ORDERS,
    ),
    Mutation(
        "tsit5-a-digit-lost", "solvers", "one coefficient of Tsitouras's method is off in its fourth digit",
        "ode/tableaus.py", "(-0.008480655492356989, 0.335480655492357)", "(-0.008480655492356989, 0.335580655492357)",
        BESIDE, ORDERS,
    ),
    Mutation(
        "steps-accepted-too-soon", "solvers", "steps with a hundred times the error that is allowed are taken",
        "ode/steps.py", "if e <= 1.0:", "if e <= 100.0:", BESIDE, (*ORDERS, *SOLVED),
    ),
    Mutation(
        "adjoint-wrong-sign", "solvers", "the adjoint state goes back with the wrong sign", "ode/adjoint.py",
        "[y, *theta], -a.reshape(shape)", "[y, *theta], a.reshape(shape)", BESIDE, ADJOINTS,
    ),
    Mutation(
        "adjoint-forgets-observations", "solvers", "gradients of states before the last one are left out",
        "ode/adjoint.py", "a = a + d_states[i - 1].reshape(-1)", "a = a + 0.0 * d_states[i - 1].reshape(-1)", BESIDE,
        ADJOINTS,
    ),
    Mutation(
        "events-at-the-step", "solvers", "an event is said to happen where the step ends that saw it",
        "ode/events.py", "return step.t + step.h * change_inside(partial(g_inside, step), before, after)",
        "return step.t_end", BESIDE, EVENTS,
    ),
)  # fmt: skip
