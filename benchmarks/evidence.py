"""python -m benchmarks.evidence [WORD ...]: evidences beside their reference values, by every method, with the cost.

The references are closed forms or one-dimensional quadratures, computed here; Pima's, -257.232 and -259.858, are
importance sampling from a Laplace approximation, to 0.001. Pima needs `$LOGLIK_DATA/evidence/pima_indian.dat`, and is
refused by name without. `--dynesty LIVE` adds two runs of nested sampling; `--seeds N` compares the spread over N seeds
with the errors that they print.
"""

import argparse
import math
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import loglik

torch.set_default_dtype(torch.float64)


@dataclass(frozen=True)
class Case:
    name: str
    log_likelihood: Callable[[Tensor], Tensor]
    prior: object
    log_z: float


def box(low: float, high: float, dims: int) -> loglik.Uniform:
    return loglik.Uniform([low] * dims, [high] * dims)


def log_integral(f: Callable[[Tensor], Tensor], low: float, high: float, n: int = 2_000_001) -> float:
    """log int exp f(t) dt from `low` to `high`, by the trapezoidal rule."""
    t = torch.linspace(low, high, n)
    return float(torch.trapezoid(f(t).exp(), t).log())


def normal(x: Tensor, mean: float | Tensor, variance: float) -> Tensor:
    return -0.5 * ((x - mean).square() / variance + math.log(2 * math.pi * variance))


def ndtr(t: Tensor) -> Tensor:
    """The standard normal distribution function."""
    return 0.5 * torch.erfc(-t / math.sqrt(2.0))


def shells(dims: int) -> Case:
    """Two shells of radius 2 and width 0.1 around +-3.5 on the first axis."""
    centres = torch.zeros(2, dims)
    centres[0, 0], centres[1, 0] = -3.5, 3.5

    def log_l(theta: Tensor) -> Tensor:
        radius = (theta[:, None] - centres).square().sum(2).sqrt()
        return normal(radius, 2.0, 0.01).logsumexp(1)

    sphere = math.log(2.0) + 0.5 * dims * math.log(math.pi) - math.lgamma(0.5 * dims)
    ring = log_integral(lambda r: normal(r, 2.0, 0.01) + (dims - 1) * r.log(), 1e-12, 4.0)
    return Case(f"shells-{dims}", log_l, box(-6.0, 6.0, dims), math.log(2.0) + sphere + ring - dims * math.log(12.0))


def eggbox() -> Case:
    def log_l(theta: Tensor) -> Tensor:
        return (2.0 + (theta / 2.0).cos().prod(1)) ** 5

    high = 10.0 * math.pi
    x = torch.linspace(0.0, high, 4001)
    values = (2.0 + (x[:, None] / 2.0).cos() * (x / 2.0).cos()) ** 5
    step = float(x[1])
    ends = torch.ones(4001)
    ends[[0, -1]] = 0.5
    log_z = float((values + ends.log() + ends.log()[:, None]).flatten().logsumexp(0)) + 2.0 * math.log(step / high)
    return Case("eggbox", log_l, box(0.0, high, 2), log_z)


def rosenbrock() -> Case:
    def log_l(theta: Tensor) -> Tensor:
        x, y = theta[:, 0], theta[:, 1]
        return -(100.0 * (y - x.square()).square() + (1.0 - x).square())

    def inner(x: Tensor) -> Tensor:
        """log int exp(-100 (y - x^2)^2) dy over [-5, 5]."""
        upper = ndtr((5.0 - x.square()) * math.sqrt(200.0))
        return -(1.0 - x).square() + upper.log() + 0.5 * math.log(math.pi / 100.0)

    return Case("rosenbrock", log_l, box(-5.0, 5.0, 2), log_integral(inner, -5.0, 5.0) - 2.0 * math.log(10.0))


def rastrigin(dims: int) -> Case:
    def each(x: Tensor) -> Tensor:
        return -(x.square() - 10.0 * (2.0 * math.pi * x).cos() + 10.0)

    one = log_integral(each, -5.12, 5.12) - math.log(10.24)
    return Case(f"rastrigin-{dims}", lambda theta: each(theta).sum(1), box(-5.12, 5.12, dims), dims * one)


def spike_and_slab(dims: int) -> Case:
    spike, slab = torch.zeros(dims), torch.zeros(dims)
    spike[:2], slab[:2] = 6.0, 2.5

    def log_l(theta: Tensor) -> Tensor:
        both = torch.stack([normal(theta, spike, 0.08).sum(1), normal(theta, slab, 0.8).sum(1)])
        return both.logsumexp(0)

    def inside(mean: Tensor, variance: float) -> Tensor:
        ends = (torch.tensor([[-4.0], [8.0]]) - mean) / math.sqrt(variance)
        return (ndtr(ends[1]) - ndtr(ends[0])).prod()

    mass = inside(spike, 0.08) + inside(slab, 0.8)
    return Case(f"spike-and-slab-{dims}", log_l, box(-4.0, 8.0, dims), float(mass.log()) - dims * math.log(12.0))


def log_gamma(dims: int) -> Case:
    """Beaujean & Caldwell 2013, arXiv:1304.7808: four modes, tails of two kinds; a density, but for the box 60 wide."""

    def gamma(x: Tensor, location: float) -> Tensor:
        return (x - location) - (x - location).exp()

    def log_l(theta: Tensor) -> Tensor:
        one, two = theta[:, 0], theta[:, 1]
        total = torch.logaddexp(gamma(one, 10.0), gamma(one, -10.0)) - math.log(2.0)
        total = total + torch.logaddexp(normal(two, 10.0, 1.0), normal(two, -10.0, 1.0)) - math.log(2.0)
        split = (dims + 2) // 2
        return total + gamma(theta[:, 2:split], 10.0).sum(1) + normal(theta[:, split:], 10.0, 1.0).sum(1)

    return Case(f"log-gamma-{dims}", log_l, box(-30.0, 30.0, dims), -dims * math.log(60.0))


def correlated_normal(dims: int = 25, rho: float = 0.4) -> Case:
    covariance = rho * torch.ones(dims, dims) + (1.0 - rho) * torch.eye(dims)
    density = torch.distributions.MultivariateNormal(torch.zeros(dims), covariance)
    return Case(f"normal-{dims}", density.log_prob, box(-5.0, 5.0, dims), -dims * math.log(10.0))


def pima(columns: tuple[int, ...], log_z: float) -> Case | None:
    """Logistic regression with the prior N(0, 1/0.01), 532 women; columns of the table by number, 0 is the answer."""
    path = Path(os.environ.get("LOGLIK_DATA", "")) / "evidence" / "pima_indian.dat"
    if not path.exists():
        return None
    table = torch.tensor([[float(word) for word in line.split()] for line in path.read_text().splitlines()])
    x = torch.cat([torch.ones(len(table), 1), table[:, list(columns)]], dim=1)
    sign = 2.0 * table[:, 0] - 1.0
    prior = torch.distributions.Normal(torch.zeros(x.shape[1]), 10.0)

    def log_l(theta: Tensor) -> Tensor:
        return torch.nn.functional.logsigmoid(sign * (theta @ x.T)).sum(1)

    return Case(f"pima-{len(columns)}", log_l, prior, log_z)


def cases() -> list[Case]:
    """All whose data are here."""
    tables = [pima((1, 2, 5, 6), -257.232), pima((1, 2, 5, 6, 7), -259.858)]
    return [
        *(case for case in tables if case is not None),
        *map(shells, (2, 5, 10, 20, 30)), eggbox(), rosenbrock(), *map(rastrigin, (2, 10)),
        *map(spike_and_slab, (2, 10)), *map(log_gamma, (2, 5, 10, 20)), correlated_normal(),
    ]  # fmt: skip


def show(case: Case, found: loglik.Evidence) -> str:
    off = (found.log_z - case.log_z) / found.stderr
    return (
        f"{case.name:18} {case.log_z:11.5f}  {found.method:10} {found.log_z:11.5f} +- {found.stderr:.5f} "
        f"{off:+6.1f} sigma  {found.evaluations:9d} evaluations {found.seconds:6.1f} s"
        f"{'  doubtful' if found.doubtful else ''}"
    )


def spread(case: Case, method: str, seeds: int) -> str:
    found = [loglik.evidence(case.log_likelihood, case.prior, method=method, seed=seed) for seed in range(seeds)]
    actual = statistics.stdev([one.log_z for one in found])
    printed = math.sqrt(statistics.mean([one.stderr**2 for one in found]))
    bias = statistics.mean([one.log_z for one in found]) - case.log_z
    return (
        f"{case.name:18} {method:10} {seeds} seeds: spread {actual:.5f}, printed {printed:.5f}, ratio "
        f"{actual / printed:.2f}; mean off by {bias:+.5f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("words", nargs="*", help="cases whose names contain one of the words (default: all)")
    parser.add_argument("--methods", default="smc,importance,ais", help="separated by commas")
    parser.add_argument(
        "--dynesty", type=int, metavar="LIVE", help="also nested sampling, 2 runs with LIVE points each"
    )
    parser.add_argument("--seeds", type=int, help="the spread of so many seeds instead")
    options = parser.parse_args()
    if pima((), 0.0) is None:
        print("pima left out: expected $LOGLIK_DATA/evidence/pima_indian.dat; no such file. Set LOGLIK_DATA to it.")
    for case in cases():
        if options.words and not any(word in case.name for word in options.words):
            continue
        for method in options.methods.split(","):
            if options.seeds:
                print(spread(case, method, options.seeds), flush=True)
            else:
                print(show(case, loglik.evidence(case.log_likelihood, case.prior, method=method)), flush=True)
        if options.dynesty:
            found = loglik.evidence(
                case.log_likelihood, case.prior, method="nested", particles=options.dynesty, repeats=2
            )
            print(show(case, found), flush=True)


if __name__ == "__main__":
    main()
