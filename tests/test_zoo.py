"""The zoo: every name builds on every space it says it models, down to the tiniest; what is wrong is said by name."""

import re
from pathlib import Path

import pytest
import torch

import loglik
from loglik import Category, Integer, Model, Real, Space, build, load, save
from loglik.errors import LoglikError, RunNotFound, UnknownName, UsageError
from loglik.hyperparameters import hyperparameters
from loglik.zoo import ZOO, default_model, entry, models_for

TINY: list[Space] = [
    Real((1,)), Real((2,)), Real((3, 3)), Integer((1,), 2), Integer((2,), 2), Integer((3, 3), 2), Integer((1, 3, 3), 2),
    Integer((3, 2, 2), 4), Integer((5,), 300), Category((2,), 2), Category((4,), 30), Category((3, 3), 3),
]  # fmt: skip


def suits(name: str, space: Space) -> bool:
    """What the zoo's table says."""
    return entry(name).takes(space)


@pytest.mark.parametrize("space", TINY, ids=str)
@pytest.mark.parametrize("name", ZOO)
def test_defaults_suit_every_space_down_to_the_tiniest(name: str, space: Space) -> None:
    if not suits(name, space):
        with pytest.raises(UsageError, match=re.escape(str(space))):
            build(name, space)
        assert name not in models_for(space)
        return
    model = build(name, space)
    x = model.sample(40)
    assert x.shape == (40, *space.shape)
    loglik.fit(model, x, steps=2)
    assert torch.isfinite(model.log_likelihood(x)).all()


@pytest.mark.parametrize("name", ZOO)
def test_builders_take_the_space_and_keywords_with_defaults(name: str) -> None:
    for parameter in hyperparameters(entry(name).load()).values():
        assert parameter.default is not parameter.empty


@pytest.mark.parametrize("name", ZOO)
def test_a_seed_gives_the_same_weights_and_leaves_the_generator_alone(name: str) -> None:
    space: Space = Integer((1, 4, 4), 5) if suits(name, Integer((1, 4, 4), 5)) else Category((16,), 5)
    assert "seed" not in hyperparameters(entry(name).load())
    state = torch.get_rng_state()
    one, other = build(name, space, seed=3), build(name, space, seed=4)
    assert torch.equal(state, torch.get_rng_state())
    torch.randn(7)  # what was drawn before does not matter
    again = build(name, space, seed=3)
    first = one.state_dict()
    for key, value in again.state_dict().items():
        assert torch.equal(value, first[key]), key
    assert one.recipe == again.recipe == build(name, space).recipe
    drawn = [key for key, value in build(name, space).state_dict().items() if not torch.equal(value, first[key])]
    assert any(not torch.equal(value, first[key]) for key, value in other.state_dict().items()) == bool(drawn)


@pytest.mark.parametrize("space", TINY, ids=str)
def test_defaults_of_the_command_can_be_built(space: Space) -> None:
    assert default_model(space) in ZOO
    for name in models_for(space):
        assert isinstance(build(name, space), Model)


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'realnvp'"):
        build("real-nvp", Real((2,)))
    with pytest.raises(UnknownName, match=r"hyperparameter of made 'hiden'\. Did you mean 'hidden'"):
        build("made", Real((2,)), hiden=(3,))
    with pytest.raises(LookupError):
        build("nothing like it", Real((2,)))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("made", {"hidden": "wide"}),
        ("made", {"order": "sideways"}),
        ("gmm", {"components": 2.5}),
        ("ppca", {"em": "perhaps"}),
        ("realnvp", {"rescale": "none"}),
        ("ppca", {"latents": 9}),
    ],
)
def test_values_that_cannot_be(name: str, given: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        build(name, Integer((4,), 3), **given)


def test_text_from_a_command_line_is_converted() -> None:
    model = build("made", Integer((4,), 3), hidden="16,8", dropout="0.5")
    assert model.recipe == {
        "name": "made", "space": Integer((4,), 3), "hyperparameters": {"hidden": (16, 8), "dropout": 0.5},
    }  # fmt: skip


@pytest.mark.parametrize("name", ZOO)
def test_save_and_load(name: str, tmp_path: Path) -> None:
    space: Space = Integer((1, 3, 3) if suits(name, Integer((1, 3, 3), 3)) else (9,), 3)
    model = build(name, space).eval()
    x = torch.randint(3, (30, *space.shape))
    with torch.no_grad():
        model.initialize(x)
    loaded = load(save(model, tmp_path / "run"))
    assert loglik.evaluate(model, x).nats == loglik.evaluate(loaded, x).nats
    assert not loaded.training


def test_double_precision_survives_saving(tmp_path: Path) -> None:
    model = build("made", Real((2,)), hidden=(4,)).double()
    loaded = load(save(model, tmp_path / "run"))
    assert loaded.dtype == torch.float64
    assert loaded.log_likelihood(torch.randn(3, 2)).dtype == torch.float64


def test_a_conditional_model_is_saved_with_its_context(tmp_path: Path) -> None:
    model = build("made", Integer((2,), 3), hidden=(4,), context=Category((), 5))
    assert load(save(model, tmp_path / "run")).context == Category((), 5)


def test_a_model_without_recipe_cannot_be_saved(tmp_path: Path) -> None:
    model = build("uniform", Integer((2,), 3))
    model.recipe = None
    with pytest.raises(UsageError, match="register"):
        save(model, tmp_path / "run")
    with pytest.raises(RunNotFound):
        load(tmp_path / "run")


def test_every_error_has_its_own_exit_code() -> None:
    def below(error: type[LoglikError]) -> list[type[LoglikError]]:
        return [error, *(e for child in error.__subclasses__() for e in below(child))]

    from loglik import errors

    codes = [e.exit_code for e in set(below(LoglikError)) if e.__module__ == errors.__name__]
    assert len(codes) == len(set(codes))
