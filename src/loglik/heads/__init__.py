"""Heads: net outputs -> the conditional distribution of each value, one head for each kind of value."""

from loglik.heads.choose import head_for
from loglik.heads.companded import MuLawHead
from loglik.heads.discrete import BernoulliHead, CategoricalHead
from loglik.heads.gaussian import MixtureHead, NormalHead
from loglik.heads.head import Head
from loglik.heads.logistic import ColourLogisticHead, LogisticHead

__all__ = [
    "BernoulliHead",
    "CategoricalHead",
    "ColourLogisticHead",
    "Head",
    "LogisticHead",
    "MixtureHead",
    "MuLawHead",
    "NormalHead",
    "head_for",
]
