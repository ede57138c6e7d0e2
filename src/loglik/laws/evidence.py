"""The law of the evidence: it is the product of what the model said of each event when it knew those before."""

import copy

import torch
from torch import Tensor

from loglik.contract import Claim, FittedBy, Model
from loglik.laws.subject import reseed, scores
from loglik.laws.verdict import NotApplicable, Result, Undecided, within

SLACK = 1e-8  # relative to what is added up


def evidence_chains(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """log p(x_1..n) - log p(x_1..n-1) = log p(x_n|x_1..n-1), of a closed form; with no event seen, log p(X) = 0."""
    if not model.has_evidence:
        raise NotApplicable("The model chooses its parameters, and has no evidence.")
    if model.fitted_by is not FittedBy.CLOSED_FORM or model.evidence_claim is Claim.LOWER_BOUND:
        raise NotApplicable("The evidence is a bound, and bounds do not multiply.")
    if len(x) < 2:
        raise Undecided("The evidence of one event is its score.")
    model = copy.deepcopy(model)
    reseed(model, 0)
    with torch.no_grad():
        model.initialize(x, context)
    errors = []
    for n in sorted({0, 1, len(x) // 2, len(x) - 1}):
        before = _evidence(model, x[:n], None if context is None else context[:n])
        said = float(scores(model, x[n : n + 1], None if context is None else context[n : n + 1])[0])
        after = _evidence(model, x[: n + 1], None if context is None else context[: n + 1])
        errors.append(abs(after - before - said) / max(1.0, abs(before), abs(after)))
        if n == 0:
            errors.append(abs(before))
    return within(max(errors), SLACK, "Ratios of evidences against the score of the event between them, relative.")


def _evidence(model: Model, x: Tensor, context: Tensor | None) -> float:
    """log p(X) of these events; the model is then fitted to them."""
    with torch.no_grad():
        model.maximize(model.expect(x, context))
        return float(model.log_evidence())
