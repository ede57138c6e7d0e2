"""What is structure (masks, orders, places, patterns) is never believed of a file: it is rebuilt, or found out."""

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cases import CASES, Case, data
from loglik import evaluate, load
from loglik.contract import Model
from loglik.errors import CorruptRun
from loglik.runs.run import WEIGHTS, save
from loglik.spaces import Category, Discrete, Integer
from loglik.storage.reading import read_tensors
from loglik.storage.writing import write_tensors
from loglik.zoo import build

# The buffers that data set, by the class that has them. Every other one is structure.
LEARNED = {
    "BatchNorm": {"mean", "variance"},
    "BayesHistogram": {"theta", "counts"},
    "BayesMixture": {"shift", "unit", "counts", "first", "second", "entropy"},
    "CausalWhitening": {"mean_x", "whiten", "predict", "mean_y", "scale"},
    "ContextReader": {"centre", "scale"},
    "Continuous": {"pilots", "pilot_contexts"},
    "FactorAnalysis": {"mean", "weight", "noise"},
    "Gaussian": {"mean", "cholesky"},
    "GaussianMixture": {"shift", "unit"},
    "Gaussianize": {"mass"},
    "Histogram": {"theta"},
    "LinearGaussian": {"gram", "cross", "square", "rows", "weight", "root"},
    "Prior": {"weight", "precision", "scale", "centre", "constant"},
    "ProbabilisticPCA": {"mean", "weight", "variance", "shift"},
    "SearchedDeepMixture": {"shift", "unit"},
    "Standardize": {"centre", "scale"},
}
MARKS = {"_anchor", "_fitted"}  # of every model: a type without numbers, and whether it has seen data
# Learned values that a likelihood relies on: what is no such table, factor or scale is found out too.
RELIED_ON = {"theta", "mass", "cholesky", "root", "rows", "precision", "variance", "noise", "unit", "scale"}
# Ones are a legal draw of these: units that see the first value alone, an invertible matrix of other signs.
LEGAL = ("hidden_", "sign")
CHOSEN = [case for case in CASES if case.context is None]


def buffers(model: Model) -> dict[str, tuple[str, str, Tensor]]:
    """name -> the class that has the buffer, its name there, and the buffer, in files or not."""
    found = {}
    for prefix, part in model.named_modules():
        for name, t in part.named_buffers(recurse=False):
            if name not in MARKS:
                found[f"{prefix}.{name}" if prefix else name] = (type(part).__name__, name, t)
    return found


def with_one_changed(folder: Path, name: str, value: Tensor) -> None:
    tensors, about = read_tensors(folder / WEIGHTS)
    write_tensors(folder / WEIGHTS, tensors | {name: value}, about)


def forgeries(t: Tensor) -> list[Tensor]:
    """Ones, and other numbers at random, in the type and shape of a tensor."""
    drawn = torch.randint(-3, 9, t.shape) if not t.is_floating_point() else torch.randn(t.shape, dtype=t.dtype)
    return [torch.ones_like(t), drawn.to(t.dtype)]


@pytest.mark.parametrize("case", CHOSEN, ids=str)
def test_structure_in_a_file_is_ignored_or_refused(case: Case, tmp_path: Path) -> None:
    model = case.model().eval()
    x = data(case.space, 24)
    torch.manual_seed(5)
    before = model.log_likelihood(x)
    for name, (kind, short, t) in buffers(model).items():
        if short in LEARNED.get(kind, ()) or not t.numel():
            continue
        for forged in forgeries(t):
            if torch.equal(forged, t) or (short.startswith(LEGAL) and bool((forged == 1).all())):
                continue
            save(model, tmp_path / "run")
            with_one_changed(tmp_path / "run", name, forged)
            try:
                loaded = load(tmp_path / "run")
            except CorruptRun:
                continue
            torch.manual_seed(5)
            assert torch.equal(loaded.log_likelihood(x), before), f"{name} of {kind} was believed"


@pytest.mark.parametrize("case", CHOSEN, ids=str)
def test_learned_values_that_a_likelihood_relies_on_are_checked(case: Case, tmp_path: Path) -> None:
    model = case.model().eval()
    for name, (kind, short, t) in buffers(model).items():
        if short in LEARNED.get(kind, ()) and short in RELIED_ON:
            save(model, tmp_path / "run")
            with_one_changed(tmp_path / "run", name, torch.full_like(t, -1.0))
            with pytest.raises(CorruptRun, match=kind_of_rule(short)):
                load(tmp_path / "run")


def kind_of_rule(short: str) -> str:
    return "sum to one" if short in ("theta", "mass") else "diagonal|above 0|below 0"


def test_masks_of_ones_do_not_make_random_bits_certain(tmp_path: Path) -> None:
    """A net that sees what it predicts scores anything at 0 bits: the forgery that a file of masks allowed."""
    space = Integer((1, 4, 4), 2)
    model = build("pixelcnn", space, width=4, layers=1)
    x = torch.randint(2, (64, 1, 4, 4))
    weights = {name: t.clone() for name, t in model.state_dict().items()}
    save(model, tmp_path / "run")
    honest = evaluate(load(tmp_path / "run"), x)
    for name, (kind, short, t) in buffers(model).items():
        if short == "mask" and kind == "MaskedConv2d":
            weights[name] = torch.ones_like(t)
    assert len(weights) > len(model.state_dict()), "no mask was found to be forged"
    _, about = read_tensors(tmp_path / "run" / WEIGHTS)
    write_tensors(tmp_path / "run" / WEIGHTS, weights, about)
    assert torch.equal(evaluate(load(tmp_path / "run"), x).values, honest.values)


@pytest.mark.parametrize("space", [Integer((3,), 3), Category((2,), 4)])
def test_any_degrees_that_are_let_through_leave_a_distribution(space: Discrete, tmp_path: Path) -> None:
    model = build("made", space, hidden=(6, 6), masks=2, order="random")
    with torch.no_grad():
        for p in model.parameters():
            p.normal_()
    save(model, tmp_path / "run")
    tensors, about = read_tensors(tmp_path / "run" / WEIGHTS)
    taken = 0
    for _ in range(60):
        drawn = {
            name: torch.randint(-1, 5, t.shape).to(t.dtype) if "hidden_" in name else torch.randperm(len(t)).int() + 1
            for name, t in tensors.items()
            if "degrees" in name and bool(torch.randint(2, ()))
        }
        write_tensors(tmp_path / "run" / WEIGHTS, tensors | drawn, about)
        try:
            loaded = load(tmp_path / "run")
        except CorruptRun:
            continue
        taken += 1
        every = torch.tensor(list(itertools.product(range(space.levels), repeat=space.dims)))
        assert float(loaded.log_likelihood(every).detach().double().exp().sum()) == pytest.approx(1.0, abs=1e-5)
        drawn_from = loaded.sample(8)
        assert torch.isfinite(loaded.log_likelihood(drawn_from)).all()
    assert taken, "nothing was let through, so nothing was tried"


def test_a_random_order_survives_saving(tmp_path: Path) -> None:
    for name, given in (("made", {"order": "random"}), ("maf", {"order": "random"}), ("glow", {})):
        space = Integer((1, 4, 4), 5)
        model = build(name, space, seed=3, **given)
        x = torch.randint(5, (8, 1, 4, 4))
        torch.manual_seed(1)
        before = model.eval().log_likelihood(x)
        save(model, tmp_path / name)
        torch.manual_seed(1)
        assert torch.equal(load(tmp_path / name).log_likelihood(x), before)
