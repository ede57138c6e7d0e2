"""`fit`: closed form, EM or gradients, whichever the model has."""

import time
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from loglik.arguments.ranges import is_number, shown
from loglik.contract import FittedBy, Model
from loglik.data import Dataset, Memory, Source, hold_out
from loglik.data.weights import check_some
from loglik.errors import FitWarning, UsageError
from loglik.inference.evaluate import rows_for
from loglik.inference.gaps import check_learns, check_validates
from loglik.inference.posterior.priors import Prior, prior_of
from loglik.inference.processes import agree, own_share
from loglik.inference.randomness import seeded
from loglik.ops import has_gaps
from loglik.spaces import Measure
from loglik.training.columns import check_observed, warn_of_constants
from loglik.training.gradient import GradientTraining, Watch
from loglik.training.history import History
from loglik.training.interrupts import Interrupts, interrupts
from loglik.training.options import Options
from loglik.training.passes import fit_by_em
from loglik.training.starts import check_starts, fit_from_starts
from loglik.training.state import restore_state, save_state

INITIAL_ROWS = 50_000  # at most this many rows are given to `initialize`
LEAST_TO_SPLIT = 20  # with fewer rows all are for training, and none for validation


def fit(
    model: Model,
    data: object,
    *,
    context: object = None,
    weights: object = None,
    prior: object = None,
    valid: object = None,
    keep_equal_rows_together: bool = False,
    initialize: bool = False,
    keep_start: bool = False,
    state: str | Path | None = None,
    resume: bool = False,
    watch: Watch | None = None,
    **options: object,
) -> History:
    """Fit a model to data; it is changed in place, and left in evaluation mode with its best weights.

    Models with EM or a closed form use it, on all training rows. Rows of reals with missing values, NaN, count by what
    was observed of them, in models that learn so (`Model.learns_gaps`); a closed form then takes the passes of EM. The
    others are trained by gradients, and keep the averaged weights that score best on the validation rows.

    A fitted model goes on from its weights, with fresh moments and a new run of the learning rate. What it took from
    the first data (scales, starting centres, marginals) stays. Only a closed form begins anew, on the new rows alone.

    Args:
        data: tensor, array, DataFrame, path, Source, or a Dataset, whose train and valid parts are used.
        context: one per row, for p(x|c) and data that bring none.
        weights: (N,), 0 or more: each row counts so many times; of tables and paths also the name of their column.
            Gradients and validation weigh them relative to their mean.
        prior: log p(theta), counted once for the data: `NormalPrior`, `LaplacePrior`, any function of the model, or the
            deviation of a normal one for all weights. For gradients; no weight decays then unless it is asked for.
        valid: validation rows, as data; by default a Dataset's own, or a tenth of the rows, as `data.hold_out` draws.
        keep_equal_rows_together: of that tenth: no validation row equals a training row.
        initialize: take what follows from the data anew, although the model is fitted; weights stay.
        keep_start: the weights that the model has are kept unless validation finds better ones; for gradients.
        state: a file that keeps the training state while the fit goes on. resume: continue from it, exactly as the
            unbroken run would have.
        watch: called with every Step. options: those of `training.options.Options`: steps, budget, batch, lr, seed, ...

    Raises:
        Diverged: a loss or gradient is not finite; the last good weights are kept.
        DataError, ContextError, UsageError, RunMismatch.

    >>> import torch, loglik
    >>> model = loglik.build("gaussian", loglik.Real((2,)))
    >>> history = loglik.fit(model, torch.randn(500, 2, generator=torch.Generator().manual_seed(0)))
    >>> history.method, history.stopped
    ('closed form', 'converged')
    """
    told = {**options, "prior": prior} if is_number(prior) else options
    started, chosen, file = time.perf_counter(), Options.of(**told), _file_of(state)
    check_function("watch", watch)
    believed = _prior(model, chosen.prior if prior is None else prior)
    given = _Given(data, context, weights, valid, keep_equal_rows_together)
    sources = _sources(model, given, chosen)
    check_learns(model, sources[0].gaps)
    resumed = file if resume and file is not None and file.exists() else None
    begins = resumed is None and (initialize or not model.fitted)
    with seeded(chosen.seed), interrupts() as noted:
        if begins:
            check_starts(model, chosen)
        if begins and chosen.starts == 1:
            _initialize(model, sources[0])
        if model.fitted_by is FittedBy.GRADIENTS:
            training = _training(model, sources, chosen, believed, started=started)
            history = _trained(training, noted, watch, resumed=resumed, state=file, keep_start=keep_start)
        else:
            history = _fitted_in_passes(
                model, sources[0], chosen, begins=begins, started=started, noted=noted, watch=watch
            )
    return _ended(model, history)


def _training(
    model: Model, sources: tuple[Source, Memory | None], options: Options, prior: Prior | None, *, started: float
) -> GradientTraining:
    """A training that has not taken a step, with the seconds that it took to come so far."""
    train_source, valid_source = sources
    training = GradientTraining(model, train_source.read(), valid_source, options, prior)
    training.seconds = time.perf_counter() - started
    return training


def _fitted_in_passes(
    model: Model, source: Source, options: Options,
    *, begins: bool, started: float, noted: Interrupts, watch: Watch | None,
) -> History:  # fmt: skip
    """EM or the closed form, from as many starts as are asked for where it `begins`; each process takes its rows."""
    if not model.fitted_by.in_passes:
        return History("nothing to fit", stopped="converged")
    own = own_share(source)
    if not begins or options.starts == 1:
        return fit_by_em(model, own, options, started=started, noted=noted, watch=watch)
    again = partial(_initialize, model, source)
    return fit_from_starts(model, own, options, again, started=started, noted=noted, watch=watch)


@dataclass(frozen=True)
class _Given:
    """The rows that a caller hands over, as they come."""

    data: object
    context: object
    weights: object
    valid: object
    together: bool


def _ended(model: Model, history: History) -> History:
    model.fitted = True
    model.eval()
    if model.has_evidence:
        history.log_evidence, history.evidence_claim = float(model.log_evidence()), str(model.evidence_claim)
    if model.remark:
        warnings.warn(model.remark, FitWarning, stacklevel=3)
    return history


def _prior(model: Model, given: object) -> Prior | None:
    """The prior of the fit.

    Raises:
        UsageError: no prior, or a model that gradients do not train.
    """
    if given is None:
        return None
    if model.fitted_by is not FittedBy.GRADIENTS:
        name = (model.recipe or {}).get("name", type(model).__name__)
        raise UsageError(
            f"Expected a model trained by gradients for a prior of its weights; got {name}, fitted by "
            f"{model.fitted_by}. Build one whose parameters have a prior: bayes-histogram, bayes-gaussian, bayes-gmm."
        )
    prior = prior_of(given)
    if not isinstance(value := prior(model), Tensor) or value.numel() != 1:
        raise UsageError(f"Expected the prior to return log p(theta), one number as a tensor; got {shown(value)}.")
    return prior


def _file_of(state: object) -> Path | None:
    if state is not None and not isinstance(state, str | Path):
        raise UsageError(f"Expected the path of a file for state; got {shown(state)}. Give one, or leave it out.")
    return None if state is None else Path(state)


def _trained(
    training: GradientTraining, noted: Interrupts, watch: Watch | None,
    *, resumed: Path | None, state: Path | None, keep_start: bool,
) -> History:  # fmt: skip
    """Run a training, from the state in the file `resumed` if there is one; an error leaves its best weights too."""
    if resumed is not None:
        restore_state(resumed, training)
    try:
        save = partial(save_state, state) if state else None
        return training.run(noted, watch, save, keep_start=keep_start)
    except BaseException:
        training.finish()
        raise
    finally:
        training.model.eval()


def check_function(name: str, value: object) -> None:
    """Raises UsageError for what cannot be called, and is not None."""
    if value is not None and not callable(value):
        raise UsageError(f"Expected a function for {name}; got {shown(value)}. Give one, or leave it out.")


def _sources(model: Model, given: _Given, options: Options) -> tuple[Source, Memory | None]:
    """Training rows, and validation rows where the model can use them."""
    data, valid = given.data, given.valid
    if given.together and (isinstance(data, Dataset) or valid is not None):
        raise UsageError("These rows are split already; keep equal rows together where the data are opened.")
    if isinstance(data, Dataset):
        if given.context is not None:
            raise UsageError("A data set brings its own contexts; open it with them instead of passing context=.")
        train: Source = rows_for(model, data.train, weights=given.weights)
        check_learns(model, train.gaps)
        return train, _validating(model, data.valid if valid is None else valid)
    train = rows_for(model, data, given.context, given.weights)
    check_learns(model, train.gaps)
    if model.fitted_by.in_passes:
        return train, None if valid is None else _validating(model, valid)
    rows = train.read()
    if valid is not None:
        return rows, _validating(model, valid)
    if rows.rows < LEAST_TO_SPLIT:
        return rows, None
    return hold_out(rows, options.seed, keep_equal_rows_together=given.together)


def check_fit(model: Model, data: Dataset, options: Options) -> None:
    """Raises NotFinite or UsageError for what would end a fit at once: missing values, or starts of what has none."""
    check_learns(model, data.train.gaps)
    check_starts(model, options)
    if model.fitted_by is FittedBy.GRADIENTS:
        check_validates(model, data.valid)


def _validating(model: Model, data: object) -> Memory:
    rows = rows_for(model, data).read()
    check_validates(model, rows)
    return rows


def _initialize(model: Model, source: Source) -> None:
    """Initialize the model from up to INITIAL_ROWS rows, drawn at random if all are in memory."""
    if isinstance(source, Memory) and source.weights is not None:
        check_some(source.weights)
    if isinstance(source, Memory) and source.rows > INITIAL_ROWS:
        source = source.subset(torch.randperm(source.rows)[:INITIAL_ROWS])
    x, context, weights = next(source.weighted_batches(INITIAL_ROWS))
    if weights is not None and bool(weights.any()):
        counted = _counted(weights).to(x.device)
        x, context = x[counted], None if context is None else context[counted.to(context.device)]
    if has_gaps(x):
        check_learns(model, int(x.isnan().sum()))
        check_observed(x, source.columns)
    was_training = model.training
    with torch.no_grad():
        model.eval()
        model.initialize(
            x.to(model.device), None if context is None or model.context is None else context.to(model.device)
        )
    agree(model)
    model.train(was_training)
    model.fitted = True
    if model.space.measure is Measure.DENSITY:
        warn_of_constants(source.x if isinstance(source, Memory) else x, source.columns)


def _counted(weights: Tensor) -> Tensor:
    """Which rows a model begins from: as often as its weight, if these are whole and few; else once.

    Units and priors that follow from the rows are then those of the rows that the weights stand for.
    """
    whole = bool((weights == weights.round()).all()) and float(weights.sum()) <= INITIAL_ROWS
    return torch.arange(len(weights)).repeat_interleave((weights.long() if whole else (weights > 0).long()).cpu())
