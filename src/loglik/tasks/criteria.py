"""What a mixture's components are worth: BIC, AIC and ICL, and the choice of their number and shape by one of them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch

from loglik.contract import Model
from loglik.data import Dataset, Source, as_source
from loglik.errors import UnknownName, UsageError
from loglik.inference.evaluate import batch_rows, evaluating, rows_for
from loglik.models.latent.gmm.builder import COVARIANCES
from loglik.models.latent.gmm.model import GaussianMixture
from loglik.records import Record
from loglik.tasks.plain_table import table
from loglik.training.fit import fit
from loglik.training.options import Options
from loglik.zoo import build

STARTS = 5  # of EM in a search, unless `options` say otherwise
CRITERIA = ("bic", "aic", "icl")


@dataclass(frozen=True)
class Criteria:
    """Of a mixture with p free parameters on N events, L = sum_n log p(x_n); the lower, the better.

    bic  -2 L + p log N, Schwarz 1978        aic  -2 L + 2 p, Akaike 1974
    icl  -2 sum_n log p(x_n, k_n) + p log N with k_n the component most responsible for x_n: a BIC that also pays for
         components that overlap, Biernacki, Celeux & Govaert 2000, IEEE Trans. PAMI 22, 719-725

    Events with weights count as often as their weight says; of events with missing values, x_n is what is observed.
    """

    bic: float
    aic: float
    icl: float
    log_likelihood: float
    free_parameters: int
    events: float

    def __str__(self) -> str:
        return (
            f"BIC {self.bic:.2f}, AIC {self.aic:.2f}, ICL {self.icl:.2f} (log p(X) = {self.log_likelihood:.2f} nats, "
            f"{self.free_parameters} free parameters, {self.events:g} events; lower is better)"
        )

    def to_json(self) -> Record:
        return {name: getattr(self, name) for name in (*CRITERIA, "log_likelihood", "free_parameters", "events")}


def mixture_of(model: Model) -> GaussianMixture:
    """The model, if its components are those of the data themselves.

    Raises:
        UsageError: another model, or a mixture of integers, whose components lie among Gaussianised values.
    """
    if isinstance(model, GaussianMixture):
        return model
    if any(isinstance(part, GaussianMixture) for part in model.modules()):
        raise UsageError(
            f"Expected a gmm of Real data; got one of {model.space}, whose components are normals of Gaussianised "
            "values and have no means in the units of the data. Fit gmm to the values as reals (--space real)."
        )
    name = (model.recipe or {}).get("name", type(model).__name__)
    raise UsageError(f"Expected a gmm; got {name}, which has no such components. Fit gmm.")


def criteria(model: Model, data: object, *, weights: object = None) -> Criteria:
    """BIC, AIC and ICL of a Gaussian mixture on rows, usually those that it was fitted to; see `Criteria`.

    Args:
        data: as `evaluate` takes it; of a Dataset the train part.
        weights: (N,), how many times each row counts, as in `fit`.

    Raises:
        UsageError: not a gmm of Real data. DataError: no rows, or rows that do not suit it.

    >>> import torch, loglik
    >>> x = torch.randn(200, 1, generator=torch.Generator().manual_seed(0)).double()
    >>> model = loglik.build("gmm", loglik.Real((1,)), components=1)
    >>> history = loglik.fit(model, x)
    >>> found = loglik.criteria(model, x)
    >>> found.free_parameters, f"{found.bic - found.aic:.4f}"  # 2 log 200 - 4
    (2, '6.5966')
    """
    mixture = mixture_of(model)
    source = rows_for(model, data.train if isinstance(data, Dataset) else data, weights=weights)
    log_p = log_best = events = 0.0
    with evaluating(model):
        for x, _, times in source.weighted_batches(batch_rows(model)):
            joint = mixture.log_joints(x.to(model.device))
            w = torch.ones_like(joint[:, 0]) if times is None else times.to(joint)
            log_p += float(w @ joint.logsumexp(1))
            log_best += float(w @ joint.amax(1))
            events += float(w.sum())
    free = mixture.free_parameters
    size = free * math.log(events)
    return Criteria(size - 2.0 * log_p, 2.0 * (free - log_p), size - 2.0 * log_best, log_p, free, events)


@dataclass(frozen=True)
class Candidate:
    """A mixture of a search, fitted, and its criteria on the training rows."""

    covariance: str
    components: int
    criteria: Criteria
    model: Model


@dataclass(frozen=True)
class MixtureSearch:
    """All mixtures of a search, the best by `by` first. Printed, it is their table."""

    candidates: list[Candidate]
    by: str

    @property
    def best(self) -> Candidate:
        return self.candidates[0]

    @property
    def model(self) -> Model:
        return self.best.model

    def __str__(self) -> str:
        head = ["covariance", "components", "free parameters", "log p(X)", "BIC", "AIC", "ICL"]
        rows = [
            [c.covariance, str(c.components), str(c.criteria.free_parameters)]
            + [f"{getattr(c.criteria, name):.2f}" for name in ("log_likelihood", *CRITERIA)]
            for c in self.candidates
        ]
        return f"{table(head, rows, right=range(1, len(head)))}\nbest by {self.by.upper()}; lower is better"


def best_mixture(
    data: object,
    *,
    components: Iterable[int] = range(1, 11),
    covariances: Iterable[str] = ("full", "tied", "diagonal", "spherical"),
    by: str = "bic",
    weights: object = None,
    seed: int = 0,
    options: Mapping[str, object] | None = None,
) -> MixtureSearch:
    """Fit `gmm` for every number of components and every covariance, and rank the fits by a criterion.

    Args:
        data: rows of reals, as `fit` takes them; of a Dataset the train part. They are read into memory.
        by: "bic", "aic" or "icl", see `Criteria`.
        options: of each `fit`; the best of 5 starts unless they say otherwise.

    Raises:
        UsageError: nothing to search, or data that are not Real. UnknownName: a covariance or criterion.

    >>> import torch, loglik
    >>> side = 10.0 * (torch.arange(200)[:, None] % 2)
    >>> x = side + torch.randn(200, 1, generator=torch.Generator().manual_seed(0))
    >>> loglik.best_mixture(x, components=range(1, 4), covariances=["full"]).best.components
    2
    """
    numbers, shapes = list(components), list(covariances)
    if by not in CRITERIA:
        raise UnknownName("criterion", by, CRITERIA)
    for shape in shapes:
        if shape not in COVARIANCES:
            raise UnknownName("covariance", shape, COVARIANCES)
    if not numbers or not shapes:
        raise UsageError("Expected numbers of components and covariances to search; got none. Give one of each.")
    rows: Source = data.train if isinstance(data, Dataset) else as_source(data, weights=weights)
    rows = rows.read()
    chosen = Options.of(**{"starts": STARTS, "seed": seed, **(options or {})})
    single = replace(chosen, starts=1)  # one component has one optimum
    found = []
    for shape in shapes:
        for number in numbers:
            model = build("gmm", rows.space, components=number, covariance=shape, seed=seed)
            mixture_of(model)
            fit(model, rows, **(chosen if number > 1 else single).given())
            found.append(Candidate(shape, number, criteria(model, rows), model))
    return MixtureSearch(sorted(found, key=lambda one: float(getattr(one.criteria, by))), by)
