"""A typical small problem for every model of the zoo: a space, rows, and nets of a size that takes milliseconds."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

import loglik
from loglik import Category, Integer, Model, Real, Space

FORMER = {"realnvp-images": "realnvp", "ffjord-images": "ffjord"}  # in other commits: with images=True


@dataclass(frozen=True)
class Problem:
    """`rows` are scored and trained on at once, `draws` are sampled.

    by_fit: so many steps of `fit` are timed as training, with all that it does around them; 0 is one step of the
    gradient, written out.   note: tells a second problem of a model from the first.
    """

    model: str
    space: Space
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    rows: int = 256
    draws: int = 64
    by_fit: int = 0
    note: str = ""

    @property
    def name(self) -> str:
        return self.model + self.note

    def build(self) -> Model:
        try:
            return loglik.build(self.model, self.space, seed=0, **self.hyperparameters)
        except LookupError:
            if self.model not in FORMER:
                raise
            return loglik.build(FORMER[self.model], self.space, seed=0, images=True, **self.hyperparameters)

    def data(self) -> Tensor:
        """(rows, *shape): columns that depend on each other; levels in equal shares."""
        generator = torch.Generator().manual_seed(1)
        normal = torch.randn(self.rows, self.space.dims, generator=generator, dtype=torch.float64)
        values = normal + 0.8 * normal.roll(1, dims=1).sin()
        if isinstance(self.space, Real):
            return values.reshape(self.rows, *self.space.shape)
        ranks = values.argsort(0).argsort(0).double() / self.rows
        return (ranks * self.space.levels).long().reshape(self.rows, *self.space.shape)


TABLE, DIGIT, PICTURE = Real((16,)), Integer((1, 8, 8), 17), Integer((3, 4, 4), 256)
TEXT, SOUND = Category((64,), 27), Integer((64,), 65_536)
CAUSAL = {"width": 16, "layers": 2}
COUPLINGS, SPLINES = {"hidden": (64, 64), "layers": 4}, {"hidden": (64,), "layers": 3}

PROBLEMS = [
    Problem("uniform", DIGIT, rows=4096, draws=4096),
    Problem("histogram", DIGIT, rows=1024, by_fit=1),
    Problem("gaussian", Real((64,)), rows=1024, draws=1024, by_fit=1),
    Problem("fvsbn", Integer((64,), 2)),
    Problem("made", DIGIT, {"hidden": (128, 128)}, rows=64, draws=16),
    Problem("char-rnn", TEXT, {"width": 64}, rows=64, draws=16),
    Problem("pixelcnn", DIGIT, CAUSAL, rows=32, draws=8),
    Problem("gated-pixelcnn", DIGIT, CAUSAL, rows=32, draws=8),
    Problem("pixelcnn++", PICTURE, CAUSAL | {"components": 5}, rows=16, draws=4),
    Problem("row-lstm", DIGIT, CAUSAL, rows=32, draws=8),
    Problem("diagonal-bilstm", DIGIT, CAUSAL, rows=32, draws=8),
    Problem("transformer", TEXT, {"width": 32, "heads": 2, "layers": 2}, rows=16, draws=8),
    Problem("wavenet", SOUND, {"width": 16, "skip": 32}, rows=16, draws=4),
    Problem("ride", Real((8, 8)), {"width": 16}, rows=32, draws=8),
    Problem("realnvp", TABLE, COUPLINGS),
    Problem("realnvp", TABLE, COUPLINGS, rows=512, by_fit=20, note=" by fit"),
    Problem("realnvp-images", DIGIT, {"width": 16, "layers": 1}, rows=16, draws=16),
    Problem("nice", TABLE, {"hidden": (64, 64)}),
    Problem("glow", DIGIT, {"width": 16, "layers": 2}, rows=16, draws=16),
    Problem("maf", TABLE, COUPLINGS),
    Problem("iaf", TABLE, COUPLINGS, rows=64),
    Problem("nsf", TABLE, SPLINES, rows=128, draws=16),
    Problem("nsf-coupling", TABLE, SPLINES),
    Problem("cnf", Real((6,)), {"hidden": (32, 32)}, rows=64),
    Problem("ffjord", Real((6,)), {"hidden": (32, 32), "exact": False}, rows=64),
    Problem("ffjord-images", Real((1, 4, 4)), {"hidden": (8,), "exact": False}, rows=16, draws=16),
    Problem("gmm", TABLE, {"components": 8}, rows=4096, draws=4096, by_fit=1),
    Problem("deep-gmm", TABLE, {"layers": (3, 3)}, rows=4096, draws=4096, by_fit=1),
    Problem("ppca", Real((64,)), {"latents": 8, "em": True}, rows=1024, draws=1024, by_fit=1),
    Problem("factor-analysis", TABLE, {"latents": 4}, rows=4096, by_fit=1),
    Problem("mppca", TABLE, {"components": 8, "latents": 4}, rows=4096, draws=4096, by_fit=1),
    Problem("vae", DIGIT, {"hidden": (64,), "latents": 8}),
    Problem("bayes-histogram", DIGIT, rows=1024, by_fit=1),
    Problem("bayes-gaussian", Real((64,)), rows=1024, draws=1024, by_fit=1),
    Problem("bayes-gmm", TABLE, {"components": 8}, rows=4096, draws=4096, by_fit=1),
    Problem("bayes-linear", Real((64,)), rows=1024, draws=1024, by_fit=1),
]
