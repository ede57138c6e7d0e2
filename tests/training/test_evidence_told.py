"""log p(X) of a model that integrates over its parameters: asked of the model, kept in the history, printed."""

import pytest
import torch
from torch import Tensor

import loglik
from loglik import Claim, Real
from loglik.errors import UsageError
from loglik.models.baselines.gaussian import Gaussian
from loglik.training.history import History, evidence_of


class WithEvidence(Gaussian):
    @property
    def has_evidence(self) -> bool:
        return True

    @property
    def evidence_claim(self) -> Claim:
        return Claim.LOWER_BOUND

    def log_evidence(self) -> Tensor:
        return self.mean.sum()


def test_a_fit_keeps_the_evidence_and_says_it() -> None:
    model = WithEvidence(Real((1,)), 1e-6)
    history = loglik.fit(model, torch.full((4, 1), -1.5) + torch.tensor([[1.0], [-1.0], [0.5], [-0.5]]))
    assert history.log_evidence == -1.5
    assert str(history).endswith("log p(X) >= -1.500 nats (lower bound)")
    assert evidence_of(model) == "log p(X) >= -1.500 nats (lower bound)"
    assert History.from_json(history.to_json()) == history


def test_a_model_that_chooses_its_parameters_has_none() -> None:
    model = loglik.build("gaussian", Real((1,)))
    assert not model.has_evidence
    assert evidence_of(model) == ""
    history = loglik.fit(model, torch.randn(9, 1))
    assert history.log_evidence is None
    assert "log p(X)" not in str(history)
    with pytest.raises(UsageError, match=r"^gaussian has no evidence"):
        model.log_evidence()
