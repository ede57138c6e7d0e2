"""Every hyperparameter of every model: what cannot be is refused by name, at once; what lies at the edge builds."""

import math
import time
import typing
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from loglik import Category, Integer, Model, Real, Space, build
from loglik.arguments.ranges import Finite, Layers, Range, Share, Spread
from loglik.errors import LoglikError, TooLarge, UnknownName, UsageError
from loglik.hyperparameters import checked, description, hyperparameters
from loglik.zoo import ZOO, entry
from test_zoo import suits

NAN, INF = math.nan, math.inf
NO_NUMBER: list[Any] = [NAN, INF, -INF, "x", [1.0], {}, object(), True, -(10**30), 10**30]
BAD: dict[Any, list[Any]] = {
    int: [-1, -2, 2.5, *NO_NUMBER],
    float: [-1.0, *NO_NUMBER],
    bool: ["perhaps", 2, NAN, []],
    str: [5, [], object(), "no such word"],
    Space: ["Real", 5, Real, {}, {"kind": "Nowhere"}],
    Sequence: [(0,), (-1,), "a,b", "5,,5", (2.5,), (NAN,), {3}, {3: 4}, object(), (1,) * 101, ((3,),), None],
    Finite: ["a,b", "5,,5", (NAN,), (INF,), (-(10**300),), {3}, {3: 4}, object(), (1,) * 101, ((3,),), (1,) * 99],
    Spread: [(0,), (-1.0,), "a,b", "5,,5", (NAN,), (INF,), {3}, {3: 4}, object(), (1,) * 101, ((3,),), (1,) * 99],
}
EDGES: list[tuple[str, Space, dict[str, Any]]] = [
    ("made", Integer((3,), 2), {"hidden": ()}),
    ("made", Integer((3,), 2), {"hidden": (1,), "dropout": 0.99}),
    ("realnvp", Real((3,)), {"hidden": ()}),
    ("nice", Real((3,)), {"hidden": (), "layers": 2}),
    ("maf", Real((3,)), {"hidden": (), "layers": 1}),
    ("nsf", Real((3,)), {"hidden": (), "layers": 1, "bins": 2}),
    ("nsf-coupling", Real((3,)), {"hidden": (), "layers": 1}),
    ("cnf", Real((3,)), {"hidden": (1,)}),
    ("vae", Real((3,)), {"hidden": (), "latents": 1}),
    ("char-rnn", Integer((3,), 2), {"width": 1, "layers": 1}),
    ("pixelcnn", Integer((3, 3), 2), {"layers": 0, "width": 1, "kernel": 3}),
    ("ride", Real((3, 3)), {"layers": 0}),
    ("gmm", Real((3,)), {"components": 1}),
    ("ppca", Real((3,)), {"latents": 2}),
    ("ppca", Real((3,)), {"floor": 0}),
]


def space_for(name: str) -> Space:
    spaces: list[Space] = [Integer((1, 4, 4), 5), Integer((16,), 5), Category((16,), 5), Real((3,)), Real((4, 4))]
    return next(space for space in spaces if suits(name, space))


def kind(hint: Any) -> Any:
    """int of int | None, Sequence of Sequence[int], the numbers of a sequence of others."""
    options = [option for option in typing.get_args(hint) if option is not type(None)]
    if options[:1] in ([Finite], [Spread]):
        return options[0]
    if typing.get_origin(hint) is Sequence or not options:
        return typing.get_origin(hint) or hint
    return kind(options[0])


@pytest.mark.parametrize("name", ZOO)
def test_what_cannot_be_is_refused_by_name_within_a_second(name: str) -> None:
    builder, space = entry(name).load(), space_for(name)
    hints = typing.get_type_hints(builder, include_extras=True)
    for key in hyperparameters(builder):
        for value in BAD[kind(hints[key])]:
            if value is None and type(None) in typing.get_args(hints[key]):
                continue
            started = time.perf_counter()
            with pytest.raises(LoglikError) as refused:
                build(name, space, **{key: value})
            message = str(refused.value)
            assert "\n" not in message
            assert key in message or isinstance(refused.value, UnknownName), (key, value, message)
            assert time.perf_counter() - started < 1.0, (key, value)


@pytest.mark.parametrize("given", [{}, {"context": Real((2,))}])
def test_a_field_needs_a_hidden_layer(given: dict[str, Any]) -> None:
    for name in ("cnf", "ffjord"):
        with pytest.raises(UsageError, match="at least one hidden width"):
            build(name, Real((3,)), hidden=(), **given)


def test_the_message_says_the_range_and_what_came() -> None:
    with pytest.raises(UsageError) as refused:
        build("nsf", Real((2,)), layers=-2)
    assert str(refused.value) == "Expected layers of nsf to be a whole number, 1 to 1000; got -2."
    with pytest.raises(UsageError, match=r"at least 0 and below 1; got nan"):
        build("made", Real((2,)), dropout=NAN)


@pytest.mark.parametrize(("name", "space", "given"), EDGES, ids=str)
def test_what_lies_at_the_edge_builds_and_passes(name: str, space: Space, given: dict[str, Any]) -> None:
    model = build(name, space, **given)
    with torch.no_grad():
        x = model.sample(5)
        model.initialize(x)
        assert model.log_likelihood(x).shape == (5,)


@pytest.mark.parametrize(
    ("name", "space", "given"),
    [
        ("made", Integer((4,), 3), {"hidden": (10**9,)}),
        ("made", Integer((4,), 3), {"hidden": (10**6, 10**6)}),
        ("char-rnn", Integer((4,), 3), {"width": 10**9}),
        ("vae", Real((4,)), {"latents": 10**9}),
        ("gmm", Real((4,)), {"components": 10**9}),
        ("gmm", Real((200_000,)), {"covariance": "full"}),
        ("nsf", Real((10**5,)), {}),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_taken(
    name: str, space: Space, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("memory", "allocations"):
        monkeypatch.setattr(f"loglik.arguments.{place}.memory_at_hand", lambda: 2 * 10**9)
    started = time.perf_counter()
    with pytest.raises(TooLarge, match=r"2 GB of memory at hand; it (takes|would take) .*B\. ") as refused:
        build(name, space, **given)
    assert isinstance(refused.value, MemoryError)
    assert time.perf_counter() - started < 2.0


def test_builders_of_the_users_own_state_ranges_too() -> None:
    def builder(space: Space, *, layers: Layers = 1, rate: Share | None = None, plain=3) -> Model:  # type: ignore[no-untyped-def]
        raise NotImplementedError

    assert checked(builder, "mine", {"layers": "7", "rate": "0.5", "plain": "kept"}) == {
        "layers": 7, "rate": 0.5, "plain": "kept",
    }  # fmt: skip
    with pytest.raises(UsageError, match="rate of mine to be a number, at least 0 and below 1, or none; got 1"):
        checked(builder, "mine", {"rate": 1})
    assert description(Layers) == "a whole number, 1 to 1000"


def test_a_range_holds_its_ends_or_not() -> None:
    assert 0.0 in Range(0.0, 1.0)
    assert 0.0 not in Range(0.0, 1.0, above=True)
    assert 1.0 not in Range(0.0, 1.0, below=True)
    assert NAN not in Range()
