"""What is recorded: every model of the zoo on one or more small spaces, some with a context: one line for each."""

from cases import LABEL_CONTEXT, REAL_CONTEXT, Case
from loglik.spaces import Category, Integer, Real

PLANE, ROW, DIGIT = Real((2,)), Real((5,)), Integer((1, 5, 4), 5)
COLOURS, TEXT, LABELS = Integer((3, 2, 4), 256), Category((12,), 6), Category((3,), 4)
NET, COUPLINGS, SPLINES = {"hidden": (10,)}, {"hidden": (8,), "layers": 3}, {"hidden": (8,), "layers": 2, "bins": 4}
MASKED = COUPLINGS | {"order": "random"}
VARIATIONAL = {"dequantization": "variational"}
CAUSAL, STREAMS = {"width": 6, "layers": 2, "kernel": 3}, {"width": 6, "layers": 2}
CHANNELS = {"width": 4, "layers": 1}
ATTENTION, DILATED = {"width": 8, "heads": 2, "layers": 2}, {"width": 4, "skip": 8}
FIELD, SPATIAL = {"hidden": (6, 5)}, {"width": 4, "components": 3, "scales": 2, "features": 4}
ENCODER = {"hidden": (8,), "latents": 2}

RECORDED = {
    "uniform": Case("uniform", DIGIT),
    "histogram": Case("histogram", LABELS),
    "gaussian": Case("gaussian", ROW),
    "gaussian-integer": Case("gaussian", DIGIT),
    "fvsbn": Case("fvsbn", Integer((9,), 2), {"order": "random"}),
    "fvsbn-label": Case("fvsbn", LABELS, context=LABEL_CONTEXT),
    "made": Case("made", DIGIT, {"hidden": (12, 12), "order": "random"}),
    "made-real": Case("made", ROW, NET | {"head": "mixture", "components": 3}, REAL_CONTEXT),
    "made-masks": Case("made", LABELS, NET | {"masks": 2, "order": "agnostic", "conditioning": True}, LABEL_CONTEXT),
    "char-rnn": Case("char-rnn", TEXT, {"width": 8, "layers": 2, "dropout": 0.2}),
    "char-rnn-gru": Case("char-rnn", ROW, {"width": 6, "cell": "gru"}, REAL_CONTEXT),
    "pixelcnn": Case("pixelcnn", DIGIT, CAUSAL | {"kernel": 3}, LABEL_CONTEXT),
    "pixelcnn-colours": Case("pixelcnn", COLOURS, {"width": 6, "layers": 1, "head": "logistic", "components": 2}),
    "gated-pixelcnn": Case("gated-pixelcnn", DIGIT, CAUSAL),
    "gated-pixelcnn-real": Case("gated-pixelcnn", Real((2, 3)), CAUSAL, REAL_CONTEXT),
    "pixelcnn++": Case("pixelcnn++", COLOURS, STREAMS | {"components": 2, "dropout": 0.5}),
    "pixelcnn++-grey": Case("pixelcnn++", DIGIT, STREAMS | {"components": 2, "resolutions": 2}, LABEL_CONTEXT),
    "row-lstm": Case("row-lstm", DIGIT, CHANNELS),
    "row-lstm-colours": Case("row-lstm", Integer((3, 2, 2), 3), {"width": 6, "layers": 2}),
    "diagonal-bilstm": Case("diagonal-bilstm", DIGIT, CHANNELS, LABEL_CONTEXT),
    "diagonal-bilstm-colours": Case("diagonal-bilstm", COLOURS, {"width": 3, "layers": 2, "components": 2}),
    "transformer": Case("transformer", TEXT, ATTENTION),
    "transformer-colours": Case("transformer", Integer((3, 1, 2), 3), ATTENTION, LABEL_CONTEXT),
    "wavenet": Case("wavenet", Integer((20,), 65_536), DILATED),
    "wavenet-text": Case("wavenet", TEXT, DILATED | {"kernel": 3, "blocks": 1}, LABEL_CONTEXT),
    "ride": Case("ride", Real((3, 4)), SPATIAL | {"layers": 2, "extended": True, "kernel": 3}),
    "ride-integer": Case("ride", Integer((1, 3, 2), 5), SPATIAL, LABEL_CONTEXT),
    "realnvp": Case("realnvp", ROW, COUPLINGS | {"norm": "batch"}),
    "realnvp-integer": Case("realnvp", Integer((4,), 5), COUPLINGS | {"rescale": "logit"}),
    "realnvp-images": Case("realnvp-images", Integer((1, 4, 4), 5), CHANNELS, LABEL_CONTEXT),
    "nice": Case("nice", ROW, COUPLINGS | {"prior": "gaussian"}, LABEL_CONTEXT),
    "nice-integer": Case("nice", DIGIT, COUPLINGS | {"rescale": "linear"}),
    "glow": Case("glow", Real((2, 4, 4)), CHANNELS, LABEL_CONTEXT),
    "glow-integer": Case("glow", Integer((3, 4, 2), 5), CHANNELS | {"transform": "logistic-mixture", "components": 3}),
    "maf": Case("maf", ROW, MASKED | {"base": "mixture", "components": 3}, REAL_CONTEXT),
    "maf-integer": Case("maf", Integer((4,), 5), COUPLINGS | {"norm": "batch"} | VARIATIONAL),
    "iaf": Case("iaf", ROW, MASKED | {"norm": "batch", "base": "autoregressive", "components": 2}),
    "iaf-integer": Case("iaf", Integer((4,), 5), COUPLINGS, LABEL_CONTEXT),
    "nsf": Case("nsf", ROW, SPLINES, REAL_CONTEXT),
    "nsf-integer": Case("nsf", Integer((4,), 5), SPLINES | {"rescale": "linear"}),
    "nsf-coupling": Case("nsf-coupling", ROW, SPLINES | {"dropout": 0.5}),
    "nsf-coupling-integer": Case("nsf-coupling", Integer((4,), 5), SPLINES | VARIATIONAL, LABEL_CONTEXT),
    "cnf": Case("cnf", PLANE, FIELD | {"kinetic": 0.05, "jacobian": 0.05}, LABEL_CONTEXT),
    "cnf-integer": Case("cnf", Integer((3,), 5), FIELD),
    "ffjord": Case("ffjord", ROW, FIELD | {"exact": False}),
    "ffjord-images": Case("ffjord-images", Real((1, 3, 3)), {"hidden": (3,), "exact": False}, LABEL_CONTEXT),
    "gmm": Case("gmm", ROW, {"components": 3}),
    "gmm-tied": Case("gmm", ROW, {"components": 3, "covariance": "tied"}),
    "gmm-diagonal": Case("gmm", Integer((4,), 5), {"components": 3, "covariance": "diagonal"}),
    "gmm-spherical": Case("gmm", PLANE, {"components": 3, "covariance": "spherical"}),
    "deep-gmm": Case("deep-gmm", ROW, {"layers": (2, 2)}),
    "ppca": Case("ppca", ROW, {"latents": 2}),
    "ppca-em": Case("ppca", Integer((4,), 5), {"latents": 2, "em": True}),
    "mppca": Case("mppca", ROW, {"components": 3, "latents": 2}),
    "factor-analysis": Case("factor-analysis", ROW, {"latents": 2}),
    "vae": Case("vae", DIGIT, ENCODER, LABEL_CONTEXT),
    "vae-real": Case("vae", ROW, ENCODER),
    "bayes-histogram": Case("bayes-histogram", DIGIT, {"concentration": 0.5}),
    "bayes-gaussian": Case("bayes-gaussian", ROW, {"mean": (0.0,), "scale": (2.0,)}),
    "bayes-gaussian-integer": Case("bayes-gaussian", DIGIT),
    "bayes-gmm": Case("bayes-gmm", ROW, {"components": 3}),
    "bayes-linear": Case("bayes-linear", ROW, {}, REAL_CONTEXT),
}  # fmt: skip
