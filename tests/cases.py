"""The table of cases: every model of the zoo on small spaces, each with data to start from. A new model is one line.

A case inherits all laws (tests/laws/test_laws.py). Spaces are small enough to enumerate, or to integrate over, wherever
the law of total mass is to say something; larger ones are there for Jacobians and samplers.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.spaces import Category, Discrete, Integer, Real, Space
from loglik.zoo import build

BINARY = Integer((1, 3, 3), 2)
LEVELS = Integer((2,), 3)
LABELS = Category((3,), 3)
RGB = Integer((3, 1, 2), 3)
LABEL_CONTEXT = Category((1,), 3)
REAL_CONTEXT = Real((2,))

EVENTS = 240
STEPS = 60


@dataclass(frozen=True)
class Case:
    model_name: str
    space: Space
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    context: Space | None = None

    def __str__(self) -> str:
        parts = [self.model_name, type(self.space).__name__, "x".join(map(str, self.space.shape))]
        parts += [str(self.space.levels)] if isinstance(self.space, Discrete) else []
        parts += [f"{k}={v}" for k, v in self.hyperparameters.items() if k in TELLING]
        parts += [f"given-{type(self.context).__name__}"] if self.context else []
        return "-".join(parts)

    def model(self, x: Tensor | None = None, context: Tensor | None = None) -> Model:
        """A new model that has seen data (or x, context): initialised, then three passes of EM or steps of Adam."""
        torch.manual_seed(0)
        given = {"context": self.context} if self.context else {}
        model = build(self.model_name, self.space, **self.hyperparameters, **given)
        x = data(self.space) if x is None else x
        c = data(self.context) if context is None and self.context is not None else context
        with torch.no_grad():
            model.initialize(x, c)
            if model.fitted_by.in_passes:
                for _ in range(3):
                    model.maximize(model.expect(x, c))
                return model
        parameters = list(model.parameters())
        adam = torch.optim.Adam(parameters, lr=0.01) if parameters else None
        for _ in range(STEPS if adam else 0):
            assert adam is not None
            adam.zero_grad()
            (-model.objective(x, c).mean()).backward()  # type: ignore[no-untyped-call]
            adam.step()
        return model


TELLING = (
    "prior",
    "transform",
    "dequantization",
    "order",
    "em",
    "covariance",
    "rescale",
    "components",
    "latents",
    "evidence",
    "head",
    "heads",
    "cell",
    "base",
    "norm",
    "exact",
)


def data(space: Space, n: int = EVENTS) -> Tensor:
    """(n, *shape): events with dependence, two modes, and columns of other places and scales; the same each time."""
    generator = torch.Generator().manual_seed(1)
    normal = torch.randn(n, space.dims, generator=generator, dtype=torch.float64)
    mixing = torch.eye(space.dims, dtype=torch.float64) + 0.5 * torch.ones(space.dims, space.dims).double().tril(-1)
    side = torch.where(torch.rand(n, 1, generator=generator) < 0.4, 1.5, -1.0)
    values = normal @ mixing.T + side
    if isinstance(space, Discrete):
        ranks = values.argsort(0).argsort(0).double() / n
        return (ranks.square() * space.levels).long().reshape(n, *space.shape)
    column = torch.arange(space.dims)
    return (values * 2.0 ** (column % 3 - 1) + 3.0 * (column % 2)).float().reshape(n, *space.shape)


NARROW = {"hidden": (8,)}
SMALL = {"hidden": (12, 12)}
COUPLINGS = {"hidden": (8,), "layers": 3}
CONTINUOUS = {"hidden": (6, 5), "gain": 0.5}
CONVOLVED = {"hidden": (3,), "exact": False}
IMAGES = {"width": 4, "layers": 1}
SPLINES = {"hidden": (8,), "layers": 2, "bins": 4}
CONVOLUTIONS = {"width": 4, "layers": 1}
RECURRENT = {"width": 6}
STACKS = {"width": 4, "layers": 2, "kernel": 3}
TWO_STREAMS = {"width": 4, "layers": 1, "components": 2}
ATTENTION = {"width": 8, "heads": 2, "layers": 2}
DILATED = {"width": 4, "skip": 8}
ENCODER = {"hidden": (8,), "latents": 2}
SPATIAL = {"width": 4, "components": 3, "scales": 2, "features": 4}

CASES = [
    Case("uniform", BINARY),
    Case("uniform", LABELS, context=LABEL_CONTEXT),
    Case("histogram", BINARY),
    Case("histogram", LABELS),
    Case("histogram", Integer((8, 8), 17)),
    Case("gaussian", Real((1,))),
    Case("gaussian", Real((2,))),
    Case("gaussian", Real((3, 3))),
    Case("gaussian", Integer((2,), 5)),
    Case("gaussian", Integer((1,), 2)),
    Case("made", BINARY, SMALL),
    Case("made", LEVELS, SMALL | {"order": "random"}),
    Case("made", LABELS, NARROW, LABEL_CONTEXT),
    Case("made", Integer((1,), 3), NARROW),
    Case("made", Integer((3,), 50), NARROW),
    Case("made", Real((1,)), NARROW, REAL_CONTEXT),
    Case("made", Real((2,)), SMALL | {"order": "random"}),
    Case("made", Real((7,)), SMALL, LABEL_CONTEXT),
    Case("made", Real((2,)), SMALL | {"head": "mixture", "components": 3}),
    Case("made", BINARY, SMALL | {"masks": 3}),
    Case("made", LABELS, NARROW | {"masks": 2, "order": "agnostic", "conditioning": True}, LABEL_CONTEXT),
    Case("made", Real((2,)), SMALL | {"masks": 2, "order": "agnostic", "head": "mixture", "components": 2}),
    Case("fvsbn", BINARY),
    Case("fvsbn", LABELS, {"order": "random"}, LABEL_CONTEXT),
    Case("fvsbn", Real((2,))),
    Case("pixelcnn", BINARY, CONVOLUTIONS),
    Case("pixelcnn", BINARY, CONVOLUTIONS, LABEL_CONTEXT),
    Case("pixelcnn", RGB, {"width": 6, "layers": 1}),
    Case("pixelcnn", Category((2, 3), 4), CONVOLUTIONS),
    Case("pixelcnn", Real((2, 3)), CONVOLUTIONS, REAL_CONTEXT),
    Case("pixelcnn", Integer((2, 3), 40), CONVOLUTIONS | {"head": "logistic", "components": 2}),
    Case("row-lstm", BINARY, CONVOLUTIONS),
    Case("row-lstm", Integer((3, 2, 2), 2), {"width": 6, "layers": 2}),
    Case("row-lstm", Real((2, 3)), CONVOLUTIONS, REAL_CONTEXT),
    Case("diagonal-bilstm", BINARY, CONVOLUTIONS, LABEL_CONTEXT),
    Case("diagonal-bilstm", Integer((3, 2, 2), 2), {"width": 6, "layers": 2}),
    Case("diagonal-bilstm", Category((2, 3), 4), CONVOLUTIONS),
    Case("diagonal-bilstm", Integer((3, 3, 2), 300), {"width": 3, "layers": 2, "components": 2, "dropout": 0.5}),
    Case("gated-pixelcnn", BINARY, STACKS),
    Case("gated-pixelcnn", BINARY, STACKS, LABEL_CONTEXT),
    Case("gated-pixelcnn", Integer((3, 2, 1), 3), STACKS | {"width": 6}),
    Case("gated-pixelcnn", Category((2, 3), 4), STACKS | {"layers": 1}),
    Case("gated-pixelcnn", Real((2, 3)), STACKS, REAL_CONTEXT),
    Case("pixelcnn++", BINARY, TWO_STREAMS),
    Case("pixelcnn++", BINARY, TWO_STREAMS | {"resolutions": 2}, LABEL_CONTEXT),
    Case("pixelcnn++", RGB, TWO_STREAMS),
    Case("pixelcnn++", Integer((2, 3, 3), 300), TWO_STREAMS | {"resolutions": 2, "dropout": 0.5}),
    Case("transformer", BINARY, ATTENTION),
    Case("transformer", RGB, ATTENTION),
    Case("transformer", Category((5,), 4), ATTENTION | {"heads": 1}),
    Case("transformer", LABELS, ATTENTION, LABEL_CONTEXT),
    Case("transformer", Integer((2,), 40), ATTENTION | {"head": "logistic", "components": 2}),
    Case("transformer", Real((2,)), ATTENTION, REAL_CONTEXT),
    Case("wavenet", Integer((5,), 4), DILATED),
    Case("wavenet", Integer((6,), 2), DILATED | {"layers": 1}, Real((3, 2))),
    Case("wavenet", Category((5,), 3), DILATED | {"kernel": 3, "blocks": 1}, LABEL_CONTEXT),
    Case("wavenet", Integer((2,), 100), DILATED | {"head": "mu-law"}),
    Case("wavenet", Integer((9,), 65_536), DILATED),
    Case("wavenet", Real((2,)), DILATED, REAL_CONTEXT),
    Case("ride", Real((1, 1)), SPATIAL, REAL_CONTEXT),
    Case("ride", Real((1, 2)), SPATIAL | {"layers": 0}),
    Case("ride", Real((2, 1)), SPATIAL | {"layers": 2}, LABEL_CONTEXT),
    Case("ride", Real((2, 1, 1)), SPATIAL | {"layers": 0}),
    Case("ride", Real((3, 4)), SPATIAL | {"layers": 2, "extended": True, "kernel": 3}),
    Case("ride", Real((3, 2, 2)), SPATIAL, LABEL_CONTEXT),
    Case("ride", Integer((1, 1, 2), 5), SPATIAL),
    Case("char-rnn", BINARY, RECURRENT),
    Case("char-rnn", Category((5,), 3), {"width": 8, "layers": 2, "dropout": 0.2}),
    Case("char-rnn", Category((4,), 9), RECURRENT | {"cell": "gru"}, LABEL_CONTEXT),
    Case("char-rnn", LABELS, RECURRENT | {"cell": "rnn"}, REAL_CONTEXT),
    Case("char-rnn", Integer((2,), 40), RECURRENT | {"cell": "gru", "head": "logistic", "components": 2}),
    Case("char-rnn", Real((2,)), RECURRENT, LABEL_CONTEXT),
    Case("realnvp", Real((1,)), COUPLINGS, REAL_CONTEXT),
    Case("realnvp", Real((2,)), COUPLINGS),
    Case("realnvp", Real((2,)), COUPLINGS, LABEL_CONTEXT),
    Case("realnvp", Real((7,)), COUPLINGS | {"norm": "batch"}),
    Case("realnvp-images", Real((1, 4, 4)), IMAGES),
    Case("realnvp-images", Real((2, 4, 4)), IMAGES, LABEL_CONTEXT),
    Case("realnvp-images", Real((3, 3)), IMAGES | {"norm": "batch"}),
    Case("realnvp", LEVELS, COUPLINGS),
    Case("realnvp", Integer((2,), 5), COUPLINGS | {"rescale": "logit"}),
    Case("realnvp-images", Integer((1, 2, 2), 2), IMAGES, LABEL_CONTEXT),
    Case("nice", Real((1,)), NARROW, REAL_CONTEXT),
    Case("nice", Real((2,)), SMALL),
    Case("nice", Real((7,)), NARROW | {"prior": "gaussian"}, LABEL_CONTEXT),
    Case("nice", Real((3, 3)), NARROW),
    Case("nice", LEVELS, NARROW | {"rescale": "linear"}),
    Case("nice", Integer((1,), 4), NARROW | {"dequantization": "variational"}),
    Case("glow", Real((1, 1)), CONVOLUTIONS, REAL_CONTEXT),
    Case("glow", Real((1, 2)), CONVOLUTIONS | {"layers": 2}),
    Case("glow", Real((2, 4, 4)), CONVOLUTIONS, LABEL_CONTEXT),
    Case("glow", Real((3, 3)), CONVOLUTIONS | {"layers": 2, "transform": "additive"}),
    Case("glow", Real((3, 2, 4)), CONVOLUTIONS | {"transform": "logistic-mixture", "components": 3}),
    Case("glow", Integer((1, 2, 2), 2), CONVOLUTIONS | {"dequantization": "variational"}, LABEL_CONTEXT),
    Case("maf", Real((1,)), COUPLINGS, REAL_CONTEXT),
    Case("maf", Real((2,)), COUPLINGS | {"base": "mixture", "components": 3}),
    Case("maf", Real((2,)), COUPLINGS | {"norm": "batch", "order": "random"}, LABEL_CONTEXT),
    Case("maf", Real((7,)), SMALL | {"layers": 1, "base": "autoregressive", "components": 3}, REAL_CONTEXT),
    Case("maf", Real((3, 3)), COUPLINGS | {"norm": "none", "dropout": 0.5}),
    Case("maf", Real((3,)), {"layers": 1, "hidden": ()}),
    Case("maf", LEVELS, COUPLINGS | {"norm": "batch"}, LABEL_CONTEXT),
    Case("maf", Integer((1,), 4), COUPLINGS | {"rescale": "linear"}),
    Case("maf", Integer((2,), 5), COUPLINGS | {"layers": 2, "dequantization": "variational"}),
    Case("iaf", Real((1,)), COUPLINGS, LABEL_CONTEXT),
    Case("iaf", Real((2,)), COUPLINGS | {"order": "random"}),
    Case("iaf", Real((3,)), COUPLINGS | {"norm": "batch", "base": "autoregressive", "components": 2}, REAL_CONTEXT),
    Case("iaf", Real((7,)), SMALL | {"layers": 2, "base": "mixture", "components": 2}, REAL_CONTEXT),
    Case("iaf", LEVELS, COUPLINGS),
    Case("nsf", Real((1,)), SPLINES, REAL_CONTEXT),
    Case("nsf", Real((2,)), SPLINES | {"layers": 3}),
    Case("nsf", Real((2,)), SPLINES | {"bins": 2, "bound": 1.0}, LABEL_CONTEXT),
    Case("nsf", Real((7,)), SPLINES, REAL_CONTEXT),
    Case("nsf", Real((3, 1)), SPLINES | {"dropout": 0.5}),
    Case("nsf", LEVELS, SPLINES, LABEL_CONTEXT),
    Case("nsf", Integer((1,), 4), SPLINES | {"rescale": "linear"}),
    Case("nsf-coupling", Real((1,)), SPLINES, LABEL_CONTEXT),
    Case("nsf-coupling", Real((2,)), SPLINES | {"layers": 3}),
    Case("nsf-coupling", Real((7,)), SPLINES | {"dropout": 0.5}, LABEL_CONTEXT),
    Case("nsf-coupling", Real((2, 2)), SPLINES, REAL_CONTEXT),
    Case("nsf-coupling", LEVELS, SPLINES | {"rescale": "logit"}),
    Case("nsf-coupling", Integer((2,), 5), SPLINES | {"dequantization": "variational"}, LABEL_CONTEXT),
    Case("cnf", Real((1,)), CONTINUOUS, REAL_CONTEXT),
    Case("cnf", Real((2,)), CONTINUOUS),
    Case("cnf", Real((2,)), CONTINUOUS | {"kinetic": 0.05, "jacobian": 0.05}, LABEL_CONTEXT),
    Case("cnf", Real((7,)), CONTINUOUS | {"gradient": "adjoint", "gain": None}),  # as rough as it is by default
    Case("cnf", Real((3, 3)), CONTINUOUS | {"gradient": "checkpointed"}),
    Case("cnf", LEVELS, CONTINUOUS),
    Case("ffjord", Real((2,)), CONTINUOUS | {"probes": 2}, LABEL_CONTEXT),
    Case("ffjord", Real((7,)), CONTINUOUS | {"noise": "gaussian"}),
    Case("ffjord", Real((3,)), CONTINUOUS | {"exact": False}),
    Case("ffjord", Integer((3,), 5), CONTINUOUS | {"rescale": "logit", "exact": False}),
    Case("ffjord-images", Real((1, 3)), CONVOLVED | {"kinetic": 0.05, "jacobian": 0.05}, LABEL_CONTEXT),
    Case("gmm", Real((1,)), {"components": 3}),
    Case("gmm", Real((2,)), {"components": 3, "covariance": "full"}),
    Case("gmm", Real((2,)), {"components": 3, "covariance": "tied"}),
    Case("gmm", Real((2,)), {"components": 3, "covariance": "diagonal"}),
    Case("gmm", Real((2,)), {"components": 3, "covariance": "spherical"}),
    Case("gmm", Real((5,)), {"components": 1}),
    Case("gmm", Real((5,)), {"components": 4}),
    Case("deep-gmm", Real((1,)), {"layers": (2, 2)}),
    Case("deep-gmm", Real((2,)), {"layers": (2, 3)}),
    Case("deep-gmm", Real((2,)), {"layers": (2, 2, 2), "table": True}),
    Case("deep-gmm", Real((3,)), {"layers": (3,)}),
    Case("deep-gmm", Integer((2,), 5), {"layers": (2, 2)}),
    Case("deep-gmm", Real((2,)), {"layers": (65, 64)}),
    Case("ppca", Real((2,)), {"latents": 1}),
    Case("ppca", Real((2,)), {"latents": 1, "em": True}),
    Case("ppca", Real((2, 3)), {"latents": 2, "em": True}),
    Case("ppca", Real((4,)), {"evidence": True}),
    Case("ppca", Integer((3,), 3), {"latents": 1}),
    Case("ppca", Integer((3,), 3), {"latents": 1, "em": True}),
    Case("mppca", Real((2,)), {"components": 3, "latents": 1}),
    Case("mppca", Real((2, 3)), {"components": 2, "latents": 2}),
    Case("mppca", Integer((3,), 3), {"components": 2, "latents": 1}),
    Case("factor-analysis", Real((2,)), {"latents": 1}),
    Case("factor-analysis", Real((2, 3)), {"latents": 2}),
    Case("factor-analysis", Integer((4,), 3), {"latents": 1}),
    Case("vae", BINARY, ENCODER),
    Case("vae", LABELS, ENCODER, LABEL_CONTEXT),
    Case("vae", Integer((2,), 40), ENCODER),
    Case("vae", Real((1,)), ENCODER),
    Case("vae", Real((2,)), {"hidden": (8, 8), "latents": 1}, REAL_CONTEXT),
    Case("vae", Real((3,)), ENCODER),
    Case("bayes-histogram", BINARY),
    Case("bayes-histogram", LABELS, {"concentration": 0.3}),
    Case("bayes-gaussian", Real((1,)), {"mean": (0.5,), "scale": (2.0,)}),
    Case("bayes-gaussian", Real((2,))),
    Case("bayes-gaussian", Real((2,)), {"mean": (0.0,), "known": (1.0, 2.0)}),
    Case("bayes-gaussian", Real((3, 3)), {"mean": (0.0,), "scale": (2.0,), "freedom": 14.0}),
    Case("bayes-gaussian", Integer((2,), 5)),
    Case("bayes-gmm", Real((1,)), {"components": 4}),
    Case("bayes-gmm", Real((2,)), {"components": 5, "mean": (0.0,), "scale": (1.0,)}),
    Case("bayes-gmm", Real((2, 3)), {"components": 3}),
    Case("bayes-linear", Real((1,)), {"weights": (0.0,), "known": (2.0,)}, REAL_CONTEXT),
    Case("bayes-linear", Real((2,)), {}, LABEL_CONTEXT),
    Case("bayes-linear", Real((3,)), {"weights": (0.0,), "scale": (1.0,)}, REAL_CONTEXT),
    Case("bayes-linear", Integer((2,), 5), {}, REAL_CONTEXT),
]
