"""scikit-learn's handwritten digits, the embedded default: 1797 images of 8x8 with 17 grey levels.

E. Alpaydin, C. Kaynak 1998, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (CC BY 4.0).
Each value counts the black pixels of a 4x4 block, 0..16. scikit-learn ships the test part of the original.
"""

import torch

from loglik.data.builtin.entry import Builtin
from loglik.data.source import Dataset, Memory
from loglik.data.splits import split_source
from loglik.spaces import Category, Integer

SPACE = Integer((1, 8, 8), levels=17)
LABELS = Category((), levels=10)
SEED = 0


def load_digits(context: bool = False) -> Dataset:
    """The digits, 1258 / 180 / 359 rows; with `context`, the class 0..9 of each is its context."""
    from sklearn.datasets import load_digits as shipped  # a second to import

    images, classes = shipped(return_X_y=True)
    x = torch.from_numpy(images).to(torch.uint8).reshape(-1, *SPACE.shape)
    whole = Memory(SPACE, x, torch.from_numpy(classes), LABELS) if context else Memory(SPACE, x)
    return split_source(DIGITS.name, whole, SEED)


DIGITS = Builtin("digits", load_digits, str(SPACE), "handwritten digits 8x8, shipped with scikit-learn", labelled=True)
