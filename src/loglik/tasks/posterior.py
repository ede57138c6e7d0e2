"""`posterior`: from a fitted model to the predictive of its posterior."""

from collections.abc import Mapping

import torch
from torch import Tensor

from loglik.arguments.ranges import SEEDS, Range, shown, whole
from loglik.contract import Claim, FittedBy, Model
from loglik.data import Dataset, Memory
from loglik.errors import UnknownName, UsageError
from loglik.inference.evaluate import rows_for
from loglik.inference.gaps import check_learns
from loglik.inference.posterior.chains import effective_size, r_hat
from loglik.inference.posterior.hmc import Chains, hmc
from loglik.inference.posterior.laplace import Curvature, diagonal, full, laplace, last_layer
from loglik.inference.posterior.priors import NormalPrior, Prior, name_of, prior_of
from loglik.inference.posterior.sghmc import sghmc
from loglik.inference.posterior.target import LogJoint
from loglik.inference.randomness import seeded
from loglik.models.predictive import PosteriorPredictive
from loglik.promises import check_model
from loglik.records import Record
from loglik.training.fit import fit
from loglik.zoo import ZOO, build

DRAWS = Range(1, 10_000)
LAPLACE: Mapping[str, Curvature] = {
    "laplace": full, "laplace-diagonal": diagonal, "laplace-last-layer": last_layer,
}  # fmt: skip
METHODS = (*LAPLACE, "hmc", "sghmc", "ensemble", "conjugate")
CHAINS, WARM, THIN, BATCH = 4, 200, 5, 128


def posterior(
    model: Model,
    data: object,
    *,
    method: str = "laplace",
    prior: object = None,
    samples: int = 16,
    seed: int = 0,
    context: object = None,
    options: Mapping[str, object] | None = None,
) -> Model:
    """The posterior predictive of a fitted model, log (1/S) sum_s p(x | theta_s), as a model of its own.

    It is scored, sampled, compared and saved as any other; `remark` says what it approximates.

    Args:
        data: the rows the model was fitted to; a Dataset stands for its train part.
        method: how theta_s ~ p(theta | X) are found.
            "laplace": a normal at the mode with the exact Hessian, up to 5000 weights. "laplace-diagonal": with the
            diagonal of the empirical Fisher matrix. "laplace-last-layer": of the last layer alone.
            "hmc": 4 chains of Hamiltonian Monte Carlo on all rows. "sghmc": the same on mini-batches.
            "ensemble": fits from different seeds. "conjugate": the closed form, of models that have one in the zoo.
        prior: as `fit` takes it. Without one, a normal prior whose scale has the highest evidence under Laplace
            (diagonal for the Monte Carlo methods); an ensemble is then fitted without.
        samples: S.
        options: of the fits of an ensemble.

    Raises:
        UsageError: a model that is not fitted or not trained by gradients, fewer than 1 sample, a prior that the method
            cannot take. DataError: rows that are no events of the model's space.

    >>> import torch, loglik
    >>> x = torch.randint(0, 2, (50, 3), generator=torch.Generator().manual_seed(0))
    >>> model = loglik.build("fvsbn", loglik.Integer((3,), levels=2), seed=0)
    >>> history = loglik.fit(model, x, prior=1.0, steps=50)
    >>> loglik.posterior(model, x, prior=1.0).remark
    'Laplace posterior of 12 weights (full), 16 draws; prior NormalPrior(scale=1.0)'
    """
    check_model(model)
    if method not in METHODS:
        raise UnknownName("method of posterior", str(method), METHODS)
    samples, seed = whole("samples", samples, DRAWS), whole("seed", seed, SEEDS)
    source = rows_for(model, data.train if isinstance(data, Dataset) else data, context)
    check_learns(model, source.gaps)
    if method == "conjugate":
        return _conjugate(model, source.read())
    _check_has_posterior(model, method)
    believed = None if prior is None else prior_of(prior)
    rows = source.read()
    with seeded(seed):
        if method == "ensemble":
            return _ensemble(model, rows, believed, samples, seed, options=dict(options or {}))
        target = LogJoint(model, rows, believed)
        if method in LAPLACE:
            return _by_laplace(model, target, method, samples)
        return _by_chains(model, target, method, samples)


def _check_has_posterior(model: Model, method: str) -> None:
    name = (model.recipe or {}).get("name", type(model).__name__)
    if model.fitted_by is not FittedBy.GRADIENTS:
        raise UsageError(
            f"Expected a model trained by gradients for method={method!r}; got {name}, fitted by "
            f"{model.fitted_by}. Take method='conjugate', or build bayes-histogram, bayes-gaussian or bayes-gmm."
        )
    if not model.fitted:
        raise UsageError(f"Expected a fitted model; got a new {name}. Call loglik.fit(model, data) first.")
    if method != "ensemble" and model.claim is not Claim.EXACT:
        raise UsageError(
            f"Expected a model with an exact p(x) for method={method!r}; got {name}, whose "
            f"log-likelihood is a {model.claim}. Take method='ensemble'."
        )


def _by_laplace(model: Model, target: LogJoint, method: str, samples: int) -> Model:
    found = laplace(target, LAPLACE[method])
    kind = {"laplace": "full"}.get(method, method.removeprefix("laplace-"))
    about = f"Laplace posterior of {len(found.free)} weights ({kind}), {samples} draws; prior {name_of(found.prior)}"
    if found.flat:
        about += f"; {found.flat} directions without curvature have the prior's"
    return PosteriorPredictive.of(model, _states(target, found.sample(samples)), about, found.log_evidence)


def _by_chains(model: Model, target: LogJoint, method: str, samples: int) -> Model:
    if target.prior is None and not model.has_prior:
        target.prior = laplace(target, diagonal).prior
    mode = target.mode()
    fisher = target.fisher(mode)
    held = target.prior.precision(target.model) if isinstance(target.prior, NormalPrior) else torch.zeros_like(fisher)
    mass = fisher + held
    mass = mass.clamp(min=1e-3 * float(mass.mean()))
    chains = min(CHAINS, samples)
    if method == "hmc":
        found = hmc(target, mode, mass, draws=samples, chains=chains, warm=WARM, thin=THIN)
        told = f"HMC, acceptance {found.accepted:.2f}"
    else:
        batch = min(BATCH, target.rows)
        found = sghmc(target, mode, mass, fisher, batch=batch, draws=samples, chains=chains)
        told = f"SGHMC, batches of {batch}"
    prior = "the model's own" if target.prior is None else name_of(target.prior)
    about = f"{told}: {samples} draws of {len(mode)} weights from {chains} chains{_trust(found)}; prior {prior}"
    return PosteriorPredictive.of(model, _states(target, found.draws), about)


def _trust(found: Chains) -> str:
    """R-hat and effective sample size of log p(X, theta), where the traces are long enough for them."""
    if found.traces.shape[1] < 4:
        return ""
    return f", R-hat {r_hat(found.traces):.3f}, {effective_size(found.traces):.0f} effective states"


def _states(target: LogJoint, draws: Tensor) -> list[dict[str, Tensor]]:
    return [target.state(theta) for theta in draws]


def _ensemble(
    model: Model, rows: Memory, prior: Prior | None, samples: int, seed: int, *, options: dict[str, object]
) -> Model:
    """Fits of the same model from `samples` seeds.

    Lakshminarayanan, Pritzel, Blundell 2017, arXiv:1612.01474.
    """
    recipe = model.recipe
    if recipe is None:
        raise UsageError("Expected a model made by `build`, to build it again for an ensemble; got one of your own.")
    states = []
    for member in range(samples):
        again = build(recipe["name"], recipe["space"], seed=seed + member, **recipe["hyperparameters"])
        again.to(model.device)
        own: Record = {"seed": seed + member, **options}
        fit(again, rows, prior=prior, **own)
        states.append(again.state_dict())
    about = f"Deep ensemble of {samples} fits; prior {'none' if prior is None else name_of(prior)}"
    return PosteriorPredictive.of(model, states, about)


def _conjugate(model: Model, rows: Memory) -> Model:
    """The zoo's closed form of this model's posterior predictive."""
    own = (model.recipe or {}).get("name", type(model).__name__)
    name = f"bayes-{own}"
    if own in ZOO and own.startswith("bayes-"):
        raise UsageError(f"Expected a model without a prior; got {own}, which is its own posterior once fitted.")
    if name not in ZOO:
        raise UsageError(
            f"Expected a model with a conjugate prior in the zoo; got {shown(own)}, and there is no "
            f"{name}. Take another method."
        )
    found = build(name, model.space)
    fit(found, rows)
    return found
