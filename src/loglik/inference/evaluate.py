"""Score a model on data: every row, summed in float64, with the claim of the model attached."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from loglik.arguments.ranges import SAMPLES, whole
from loglik.contract import Claim, Model
from loglik.data import Dataset, Memory, RowDigest, Source, as_source
from loglik.data.windows import side_by_side, streams_to_score
from loglik.errors import ContextError, EmptyData, NotFinite, UsageError
from loglik.inference.gaps import claim_on, missing_in_rows, observed_scores
from loglik.inference.randomness import seeded
from loglik.ode import counting
from loglik.ops import has_gaps
from loglik.promises import check_model, scores_of
from loglik.score import Score

VALUES_AT_ONCE = 1 << 20  # a batch holds about so many numbers
ROWS_AT_ONCE = 4096


def evaluate(
    model: Model,
    data: object,
    *,
    context: object = None,
    samples: int | None = None,
    seed: int = 0,
    carry: bool = True,
) -> Score:
    """The mean log-likelihood of the rows of `data` under `model`.

    Streams: memory does not grow with the rows, but for one float64 each. The model is scored in evaluation mode and
    left in the mode it was in. Bounds draw their noise from `seed`. A row of reals with missing values, NaN, is scored
    by what was observed of it, log p(x_observed), and a row without any by log 1; the score counts what is missing.
    Every row counts once, also where the data bring weights; the score then says so.

    Args:
        data: tensor, array, DataFrame, path, Source, or a Dataset, whose test part is scored.
        context: one per row, for a model of p(x|c) and data that bring none.
        samples: K of the K-sample bound, for latent and dequantised models that have weights (`Model.has_weights`);
            an ELBO without weights takes no K, and exact numbers have nothing to sample.
        carry: on a stream (`Source.stream`), let models that can remember earlier windows; the score says which was
            done. The stream is read into memory, and scored as up to 16 streams side by side.

    Raises:
        DataError: rows that are not events of the model's space, or with missing values that it cannot leave out.
        ContextError: a context missing or not taken.

    >>> import torch, loglik
    >>> x = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    >>> model = loglik.build("gaussian", loglik.Real((2,)))
    >>> history = loglik.fit(model, x[:400])
    >>> score = loglik.evaluate(model, x[400:])
    >>> f"{score.nats:.1f} nats, {score.claim}, {score.events} events"
    '-3.0 nats, exact, 100 events'
    """
    samples = None if samples is None else whole("samples", samples, SAMPLES)
    source = rows_for(model, data, context)
    _check_samples(model, samples)
    carry = carry and source.stream and model.carries
    source = source.read() if carry else source
    digest = RowDigest()
    start = time.perf_counter()
    with seeded(seed), evaluating(model), counting() as solved:
        values, missing, claim = _scored_with_gaps(model, source, samples, carry=carry, digest=digest)
    return Score(
        values,
        model.space,
        claim,
        (samples or 1) if is_weighted(model) else None,
        digest.hexdigest(),
        time.perf_counter() - start,
        past_in_words(source, carry=carry),
        solved.evaluations / len(solved.each) if solved.each else None,
        solved.tolerance,
        groups=source.groups,
        stream=source.stream,
        gaps=missing if bool(missing.any()) else None,
        weights_aside=source.weights is not None or source.weights_column is not None,
    )


def _scored_with_gaps(
    model: Model, source: Source, samples: int | None, *, carry: bool, digest: RowDigest
) -> tuple[Tensor, Tensor, Claim]:
    """The score of every row, how many of its values are missing, (N,) each, and what such scores are."""
    claim, parts, gaps = model.claim, [], []
    for x, values in scored(model, source, samples, carry=carry, digest=digest):
        parts.append(values)
        gaps.append(missing_in_rows(x).cpu())
        if bool(gaps[-1].any()):
            claim = max(claim, claim_on(model, x))
    missing = torch.cat(gaps)
    if len(missing) and bool((missing == model.space.dims).all()):
        raise EmptyData(f"Expected some values; got {len(missing)} rows of which everything is missing. Add values.")
    return torch.cat(parts), missing, claim


def _check_samples(model: Model, samples: int | None) -> None:
    if samples is not None and samples > 1 and not model.has_weights:
        raise UsageError(
            f"Expected a model with importance weights for samples={samples}; got {type(model).__name__}, which has "
            "none. Leave samples out."
        )


def is_weighted(model: Model) -> bool:
    """Whether K importance weights tighten the score: exact numbers have nothing to sample."""
    return model.has_weights and model.claim is not Claim.EXACT


def samples_for(model: Model, samples: int) -> int | None:
    """K for a model that has weights; without, its score takes no K."""
    return samples if model.has_weights else None


def rows_for(model: Model, data: object, context: object = None, weights: object = None) -> Source:
    """`data` as rows of the model's space; a Dataset stands for its test part."""
    check_model(model)
    source = as_source(data.test if isinstance(data, Dataset) else data, context, space=model.space, weights=weights)
    if model.context is not None and source.context_space is None:
        raise ContextError(f"This model is p(x|c) with c in {model.context}; the data bring no context.")
    return source


def scored(
    model: Model, source: Source, samples: int | None = None, *, carry: bool = False, digest: RowDigest | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Events and their log-likelihoods (B,), float64 on the CPU, over all rows in their order.

    Args:
        carry: remember earlier windows; for a stream and a model that can, see `evaluate`.
        digest: takes in the rows, and the contexts if the model takes any.
    """
    if carry:
        rows = source.read()
        if digest is not None:
            digest.update(rows.x, None if model.context is None else rows.context)
        yield rows.x, carried_scores(model, rows)
        return
    for x, context in source.batches(batch_rows(model)):
        if digest is not None:
            digest.update(x, None if model.context is None else context)
        yield x, score_batch(model, x, context, samples)


def carried_scores(model: Model, rows: Memory) -> Tensor:
    """(N,): log p of each window given those before it in its stream.

    Raises:
        NotFinite: windows with missing values, which leave nothing to remember.
    """
    if rows.gaps:
        raise NotFinite(
            f"Expected a stream without missing values, as the state goes on through all; got {rows.gaps} missing. "
            "Fill them in, or score windows by themselves: carry=False."
        )
    values = torch.empty(rows.rows, dtype=torch.float64)
    state: Tensor | None = None
    for index in side_by_side(rows.rows, streams_to_score(rows.rows)):
        x, context = rows.take(index.to(rows.x.device))
        x = x.to(model.device)
        c = None if context is None or model.context is None else context.to(model.device)
        log_p, state = model.log_likelihood_from(x, None if state is None else state[: len(x)], c)
        values[index] = log_p.double().cpu()
    return values


def past_in_words(source: Source, *, carry: bool) -> str:
    """What each row was conditioned on; nothing is to be said of rows that are independent events."""
    if not source.stream:
        return ""
    if not carry or source.rows is None:
        return "each window alone"
    streams = streams_to_score(source.rows)
    return "state carried over windows" + (f", in {streams} streams" if streams > 1 else "")


def score_batch(model: Model, x: Tensor, context: Tensor | None, samples: int | None) -> Tensor:
    """(B,) float64 on the CPU: the log-likelihood of each row, or its K-sample bound; of what was observed of it."""
    c = None if context is None or model.context is None else context.to(model.device)
    if has_gaps(x):
        return observed_scores(model, x.to(model.device), c, lambda x, c: score_batch(model, x, c, samples))
    x = x.to(model.device)
    if samples is not None and is_weighted(model):
        return scores_of(model, model.bound(x, c, samples=samples), len(x), "bound").double().cpu()
    return scores_of(model, model.log_likelihood(x, c), len(x)).double().cpu()


def batch_rows(model: Model) -> int:
    """How many rows go through a model at once."""
    return max(16, min(ROWS_AT_ONCE, VALUES_AT_ONCE // model.space.dims))


@contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """Evaluation mode without gradients; the mode the model was in comes back."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)
