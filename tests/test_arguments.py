"""The Python API given something else than tensors and models: read where it can be, named where it cannot."""

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import loglik
from loglik import Category, Claim, ExactModel, Integer, LatentModel, Real, build
from loglik.errors import BadModel, ContextError, Diverged, EmptyData, LoglikError, TooLarge, UsageError
from loglik.zoo import ZOO
from test_hyperparameter_ranges import space_for

PLANE = Real((2,))
NOT_EVENTS: list[Any] = [None, "text", b"bytes", object(), object, {}, {1, 2}, 5, 1.5, [[1, 2], [3]], math.sin]


def rows(n: int = 40) -> Tensor:
    return torch.randn(n, 2)


def gaussian() -> loglik.Model:
    return build("gaussian", PLANE)


class Labelled(Dataset[Any]):
    def __len__(self) -> int:
        return 30

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return torch.tensor([float(place), 1.0 / (1 + place)]), place % 3


class Endless(IterableDataset[Tensor]):
    def __iter__(self) -> Iterator[Tensor]:
        while True:
            yield torch.zeros(2)


@pytest.mark.parametrize("name", ZOO)
def test_every_model_scores_arrays_lists_and_no_rows(name: str) -> None:
    model = build(name, space_for(name)).eval()
    with torch.no_grad():
        x = model.sample(3)
        model.initialize(x)
        scores = []
        for form in (x, x.numpy(), x.tolist(), list(x)):
            torch.manual_seed(1)
            scores.append(model.log_likelihood(form))
        for other in scores[1:]:
            torch.testing.assert_close(other, scores[0])
        assert model.log_likelihood(x[:0]).shape == (0,)
        if isinstance(model, ExactModel):
            assert model.log_prob(x[:0]).shape == (0,)
            torch.testing.assert_close(model.log_prob(x.numpy()), scores[0])
        if isinstance(model, LatentModel) and model.has_weights:
            assert model.bound(x[:0], samples=2).shape == (0,)


@pytest.mark.parametrize("name", ZOO)
def test_every_model_names_what_is_no_event(name: str) -> None:
    model = build(name, space_for(name)).eval()
    with torch.no_grad():
        x = model.sample(2)
        odd = [
            x.to(torch.complex64),
            x.to("meta"),
            x[..., None],
            x.flatten()[:1],
        ]
        for bad in [*NOT_EVENTS, *odd]:
            with pytest.raises(LoglikError):
                model.log_likelihood(bad)
        for n in (-1, 2.5, None, "x"):
            with pytest.raises(UsageError):
                model.sample(n)  # type: ignore[arg-type]


def test_fit_reads_what_holds_numbers() -> None:
    x = rows()
    frame = pd.DataFrame(x.numpy(), columns=["a", "b"])
    forms = [
        x.numpy(), x.tolist(), list(x), frame, pl.DataFrame({"a": x[:, 0].tolist(), "b": x[:, 1].tolist()}),
        x.to(torch.float8_e4m3fn), x.half(), x.bfloat16(), x.clone().requires_grad_(), x > 0, (x > 0).to(torch.uint64),
        x.to_sparse(), x.numpy()[::-1], x.numpy().astype(">f4"), x.numpy().astype(np.longdouble),
        np.broadcast_to(x.numpy()[:1], (9, 2)),
        TensorDataset(x), TensorDataset(x, torch.arange(40) % 3), Labelled(),
        DataLoader(TensorDataset(x), batch_size=7, shuffle=True), DataLoader(Labelled(), batch_size=8),
    ]  # fmt: skip
    for form in forms:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", loglik.errors.FitWarning)
            assert loglik.fit(gaussian(), form).stopped == "converged"


def test_a_loader_gives_the_rows_of_its_data() -> None:
    x, labels = rows(), torch.arange(40) % 3
    whole, loaded = gaussian(), gaussian()
    loglik.fit(whole, x)
    loglik.fit(loaded, DataLoader(TensorDataset(x, labels), batch_size=9))
    torch.testing.assert_close(whole.log_likelihood(x), loaded.log_likelihood(x))
    conditional = build("made", PLANE, hidden=(4,), context=Category((), 3))
    assert loglik.fit(conditional, TensorDataset(x, labels), steps=2).steps == 2


@pytest.mark.parametrize(
    "data",
    [
        *NOT_EVENTS, torch.zeros(0, 2), np.zeros((0, 2)), torch.zeros(5, 0), rows().to(torch.complex64),
        rows().to("meta"), np.full((9, 2), 2**64 - 1, dtype=np.uint64),
        torch.full((9, 2), math.nan),
        torch.from_numpy(np.full((9, 2), 2**64 - 1, dtype=np.uint64)), np.array([["a", "b"]]),
        np.zeros(3, dtype="M8[D]"),
        Endless(), TensorDataset(*[rows()] * 3),
        DataLoader(TensorDataset(rows(4)[:0])), "nowhere.csv", "", PLANE, Real,
    ],
)  # fmt: skip
def test_fit_and_evaluate_name_what_is_no_data(data: Any) -> None:
    for task in (loglik.fit, loglik.evaluate):
        with pytest.raises(LoglikError) as refused:
            task(gaussian(), data)
        assert "\n" not in str(refused.value)
    if isinstance(data, Tensor) and data.shape == (0, 2):
        assert isinstance(refused.value, EmptyData)


@pytest.mark.parametrize("model", [None, "gaussian", 3, ExactModel, torch.nn.Linear(2, 2), object()])
def test_what_is_no_model_is_named(model: Any) -> None:
    tasks: list[Callable[[], Any]] = [
        lambda: loglik.fit(model, rows()),
        lambda: loglik.evaluate(model, rows()),
        lambda: loglik.sample(model, 3),
        lambda: loglik.check(model),
        lambda: loglik.save(model, "nowhere"),
    ]
    tasks += [] if isinstance(model, str) else [lambda: loglik.compare({"mine": model}, rows(), budget=1)]
    for task in tasks:
        with pytest.raises(UsageError, match="Expected a model"):
            task()


@pytest.mark.parametrize("models", [5, [], {}, "", "no such model", ["gaussian", 3], {"a": None}, [["gaussian"]]])
def test_compare_names_what_is_no_list_of_models(models: Any) -> None:
    with pytest.raises(UsageError):
        loglik.compare(models, rows(), budget=1)


@pytest.mark.parametrize(
    "given",
    [
        *({"budget": v} for v in (0, -1, math.nan, math.inf, "soon", None, "1e9h", b"2s")),
        *({"samples": v} for v in (0, -1, 2.5, None, "x", 10**30)),
        *({"seed": v} for v in (-1, 2**64, 2.5, None, "x", True)),
        *({"device": v} for v in ("meta", "hpu", "privateuseone", "cuda:99", "", 5, "cpu:9")),
        {"steps": 0}, {"no_such_option": 1},
    ],
)  # fmt: skip
def test_compare_names_what_it_cannot_be_told(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refused:
        loglik.compare(["gaussian"], rows(), **given)
    assert next(iter(given)) in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        *({"steps": v} for v in (0, -3, 2.5, math.inf, math.nan, "5", True, 10**30, [1])),
        *({"epochs": v} for v in (0, -1, math.nan, math.inf, 1e308, "x")),
        *({"budget": v} for v in (0, -1, math.nan, math.inf, "soon")),
        *({"lr": v} for v in (0, -1, math.inf, math.nan, "x", None)),
        *({"batch": v} for v in (0, -1, 2.5, 10**30)), *({"seed": v} for v in (-1, 2**64, 1.5)),
        {"precision": "float64"}, {"precision": None}, {"carry": "yes"}, {"ema": 1}, {"warmup": 1.0}, {"clip": 0},
        {"patience": 0}, {"evaluations": math.inf}, {"weight_decay": -1}, {"tolerance": math.nan}, {"frobnicate": 1},
    ],
)  # fmt: skip
def test_fit_names_what_it_cannot_be_told(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refused:
        loglik.fit(build("nice", PLANE, hidden=(4,)), rows(), **given)
    assert next(iter(given)) in str(refused.value)


def test_the_largest_seed_works() -> None:
    model = build("nice", PLANE, hidden=(4,), seed=2**64 - 1)
    assert loglik.fit(model, rows(), steps=3, seed=2**64 - 1).steps == 3
    assert loglik.sample(model, 2, seed=2**64 - 1).shape == (2, 2)


def test_contexts_of_samples_come_in_any_form() -> None:
    model = build("made", PLANE, hidden=(4,), context=Category((), 3))
    alike = [loglik.sample(model, 4, context=c) for c in (1, [1], np.int64(1), np.array([1]), torch.tensor(1))]
    for x in alike:
        assert torch.equal(x, alike[0])
    assert loglik.sample(model, 3, context=[0, 1, 2]).shape == (3, 2)
    assert model.sample(3, [0, 1, 2]).shape == (3, 2)
    assert model.log_likelihood(rows(3), [0, 1, 2]).shape == (3,)
    for bad in (None, [0, 1], 7, -1, "a", 1.5, [[1]], [math.nan], object()):
        with pytest.raises(LoglikError):
            loglik.sample(model, 4, context=bad)
    real = build("made", PLANE, hidden=(4,), context=Real((2,)))
    assert loglik.sample(real, 4, context=[0.1, 0.2]).shape == (4, 2)
    with pytest.raises(ContextError):
        loglik.sample(gaussian(), 4, context=1)


@pytest.mark.parametrize(
    "given",
    [
        *({"n": v} for v in (0, -1, 2.5, None, "x", True, 10**30)),
        *({"temperature": v} for v in (0, math.nan, math.inf, "x")),
        *({key: v} for key in ("top_k", "length") for v in (0, -1, 2.5)),
        *({"seed": v} for v in (-1, None)),
        *({"given": v} for v in ([[9]], "ab", [[0, 1, 2, 3, 0, 1, 2, 3]])),
    ],
)  # fmt: skip
def test_sample_names_what_it_cannot_be_told(given: dict[str, Any]) -> None:
    model = build("char-rnn", Category((5,), 4), width=4)
    with pytest.raises(LoglikError):
        loglik.sample(model, **{"n": 2, **given})
    assert loglik.sample(model, 2, given=[[1, 2]]).shape == (2, 5)


def test_samples_that_do_not_fit_are_refused_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loglik.arguments.memory.memory_at_hand", lambda: 10**9)
    with pytest.raises(TooLarge, match=r"1 GB of memory at hand; it would take about 48 TB\. Draw fewer"):
        loglik.sample(gaussian(), 10**12)
    with pytest.raises(TooLarge, match=r"Draw fewer"):
        build("made", PLANE, hidden=(4,)).sample(10**9)


@pytest.mark.parametrize(
    "shape", [None, "abc", 2.5, (2.5,), (0,), (-1,), (True,), (10**30,), (10**7, 10**7), {}, ((2,),)]
)
def test_a_space_names_a_shape_that_cannot_be(shape: Any) -> None:
    with pytest.raises(UsageError):
        Real(shape)
    for levels in (2.5, 1, 0, -1, None, "x", 10**30, True):
        with pytest.raises(UsageError, match="levels"):
            Integer((2,), levels)  # type: ignore[arg-type]
    assert Integer(np.int64(2), np.int64(5)) == Integer((2,), 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("space", [None, Real, (2,), "real", 5])
def test_build_names_what_is_no_space(space: Any) -> None:
    with pytest.raises(UsageError, match="Expected a space"):
        build("gaussian", space)
    with pytest.raises(UsageError, match="name of a model"):
        build(space if not isinstance(space, str) else None, PLANE)


class Own(ExactModel):
    """A model of a user, whose log_prob is whatever the test wants."""

    def __init__(self, said: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__(PLANE)
        self.said, self.centre = said, torch.nn.Parameter(torch.zeros(2))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.said(x, self.centre)  # type: ignore[no-any-return]

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return torch.zeros(n, 3)


@pytest.mark.parametrize(
    "said",
    [
        lambda x, c: (x - c).square().sum(),
        lambda x, c: 1.0,
        lambda x, c: None,
        lambda x, c: (x - c).square(),
        lambda x, c: (x - c).square().sum(1, keepdim=True),
        lambda x, c: np.zeros(len(x)),
        lambda x, c: torch.zeros(len(x), dtype=torch.long),
    ],
)
def test_a_log_prob_that_breaks_the_contract_is_named(said: Callable[[Tensor, Tensor], Any]) -> None:
    for task in (lambda: loglik.fit(Own(said), rows(), steps=2), lambda: loglik.evaluate(Own(said), rows())):
        with pytest.raises(BadModel, match=r"Own\.(objective|log_likelihood) to return"):
            task()
    assert "Own" in loglik.compare({"mine": Own(said)}, rows(), steps=2).entrants[0].error


def test_an_objective_without_parameters_a_nan_and_a_wrong_sample_are_named() -> None:
    with pytest.raises(BadModel, match="depend on the model's parameters"):
        loglik.fit(Own(lambda x, c: torch.zeros(len(x))), rows(), steps=2)
    with pytest.raises(Diverged, match="objective"):
        loglik.fit(Own(lambda x, c: (x * c).sum(1) * math.nan), rows(), steps=2)
    with pytest.raises(BadModel, match=r"Own\.sample\(3\) to return events \(3, 2\); got \(3, 3\)"):
        loglik.sample(Own(lambda x, c: 0.0), 3)
    fitted = Own(lambda x, c: -(x - c).square().sum(1))
    assert loglik.fit(fitted, rows(), steps=2).steps == 2
    assert loglik.evaluate(fitted, rows().numpy()).claim is Claim.EXACT
