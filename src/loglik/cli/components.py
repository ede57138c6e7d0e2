"""`loglik components`: what a fitted Gaussian mixture found."""

from typing import Annotated

import torch
import typer

from loglik.cli.console import say, say_json
from loglik.cli.opening import tell_reading
from loglik.cli.options import Json
from loglik.cli.use import RunFolder
from loglik.data.catalog import CATALOG
from loglik.models.latent.gmm.model import GaussianMixture
from loglik.records import Record
from loglik.runs.run import Run
from loglik.tasks.criteria import criteria, mixture_of
from loglik.tasks.plain_table import table
from loglik.tasks.reading import rows_like

DIGITS = 6  # significant ones of a mean or a deviation, in words; JSON has them all


def components(
    run: RunFolder,
    data: Annotated[
        str | None, typer.Argument(help="Rows for BIC, AIC and ICL: the file that was fitted, or a built-in data set.")
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="Of a built-in data set: train (default), valid, test or all.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the components of a fitted gmm: weights, means and standard deviations, in the units of the data.

    The heaviest comes first. With data also BIC, AIC and ICL on these rows; the lower, the better.

    \b
    Examples:
      loglik components my-run
      loglik components my-run table.csv
      loglik components my-run table.csv --json
    """
    opened = Run.open(run)
    model = mixture_of(opened.model())
    about = opened.record.get("data") or {}
    names = list(about.get("columns") or [str(place) for place in range(1, model.space.dims + 1)])
    found = _found(model)
    criterion = None
    if data is not None:
        chosen = "train" if part is None and data in CATALOG else part
        source = rows_like(opened, model.space, data, chosen, None)
        criterion = criteria(model, source)
        tell_reading(data, source)
    if json:
        say_json({
            "run": str(run), "columns": names, "components": found,
            **({} if criterion is None else {"data": data, "criteria": criterion.to_json()}),
        })  # fmt: skip
        return
    rows = [
        [str(one["component"]), f"{one['weight']:.4f}", *(f"{m:.{DIGITS}g} +- {s:.{DIGITS}g}" for m, s in _pairs(one))]
        for one in found
    ]
    say(table(["component", "weight", *names], rows, right=range(len(names) + 2)))
    if criterion is not None:
        say(str(criterion))


@torch.no_grad()
def _found(model: GaussianMixture) -> list[Record]:
    """The components, heaviest first, by their numbers in the model, from 1."""
    weights, means = model.weights, model.means.flatten(1)
    deviations = model.covariances.diagonal(dim1=1, dim2=2).sqrt()
    return [
        {
            "component": k + 1, "weight": float(weights[k]), "means": means[k].tolist(),
            "standard deviations": deviations[k].tolist(),
        }
        for k in weights.argsort(descending=True, stable=True).tolist()
    ]  # fmt: skip


def _pairs(one: Record) -> list[tuple[float, float]]:
    return list(zip(one["means"], one["standard deviations"], strict=True))
