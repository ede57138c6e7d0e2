"""The zoo: every name builds on every space it says it models, down to the tiniest; what is wrong is said by name."""

import re
import sys
from pathlib import Path

import pytest
import torch

import loglik
from loglik import Category, Claim, Integer, Model, Real, Space, build, load, save
from loglik.bijections.autoregressive import MaskedAutoregressive
from loglik.bijections.continuous import Continuous
from loglik.errors import FitWarning, LoglikError, RunNotFound, UnknownName, UsageError
from loglik.hyperparameters import hyperparameters
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.registry import Cost, Kind, Route
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
def test_the_line_of_a_model_says_what_the_model_is(name: str) -> None:
    """Its route, how it is fitted and what it costs: seen in the model that is built."""
    known = entry(name)
    space = next(space for space in TINY[::-1] if known.takes(space))
    model = build(name, space)
    assert model.fitted_by is known.fitted_by
    builder = known.load()
    folders = {
        "baselines": Route.BASELINE, "autoregressive": Route.AUTOREGRESSIVE, "flows": Route.FLOW,
        "latent": Route.LATENT, "bayes": Route.BAYES,
    }  # fmt: skip
    assert folders[builder.__module__.split(".")[2]] is known.route
    parts = list(model.modules())
    solves = any(isinstance(part, Continuous) for part in parts)
    assert (known.scoring is Cost.SOLVE) is (known.sampling is Cost.SOLVE) is solves
    draws = model.has_weights and model.claim is not Claim.EXACT and known.route is Route.LATENT
    assert known.scoring is not Cost.DRAWS or draws
    in_order = any(isinstance(part, Autoregressive | MaskedAutoregressive) for part in parts)
    assert (Cost.STEPS in (known.scoring, known.sampling)) is in_order
    assert known.offered == frozenset(kind for kind in known.offered if isinstance(kind, Kind))


def test_what_compare_offers_follows_from_the_lines() -> None:
    offered = {
        Real((3,)): ["gaussian", "ppca", "factor-analysis", "gmm", "made", "realnvp", "nsf", "vae"],
        Real((1,)): ["gaussian", "gmm", "made", "realnvp", "nsf", "vae"],
        Integer((5,), 300): [
            "uniform", "histogram", "gaussian", "ppca", "gmm", "made", "realnvp", "nsf-coupling", "vae",
        ],
        Integer((20,), 300): ["uniform", "gaussian", "ppca", "wavenet"],
        Category((20,), 9): ["uniform", "histogram", "made", "char-rnn", "vae"],
        Category((3, 3), 3): ["uniform", "histogram", "made", "pixelcnn", "vae"],
        Category((4,), 30): ["uniform", "histogram", "made", "vae"],
    }  # fmt: skip
    for space, names in offered.items():
        assert models_for(space) == names, str(space)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (3, "a builder or a loglik.Entry"),
        (loglik.Entry(lambda space: None, route="flow"), "route of the model 'mine' to be one of Route.BASELINE"),
        (loglik.Entry(lambda space: None, sampling="cheap"), "sampling of the model 'mine'"),
        (loglik.Entry("nowhere"), "a builder to call"),
    ],
    ids=["a number", "a route in words", "a cost in words", "no function"],
)
def test_an_entry_of_your_own_is_checked_by_field(entry: object, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        loglik.register("mine", entry)  # type: ignore[arg-type]
    assert "mine" not in ZOO


def package(folder: Path, source: str, line: str) -> None:
    """An installed package of one module, with one entry point."""
    (folder / "strange_models.py").write_text(source)
    about = folder / "strange_models-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-models\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[loglik.models]\n{line}\n")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("loglik.zoo.ZOO", dict(ZOO))
    monkeypatch.delitem(sys.modules, "strange_models", raising=False)
    return tmp_path


def test_a_model_of_another_package_is_known_by_name(installed: Path) -> None:
    source = (
        "from loglik import Entry, build\nfrom loglik.registry import Kind\n"
        "def plain(space, *, floor: float = 0.5):\n    return build('gaussian', space, floor=floor)\n"
        "line = Entry(plain, offered=frozenset({Kind.REALS}))\n"
    )
    package(installed, source, "plain = strange_models:line")
    assert "plain" in models_for(Real((2,)))
    assert "plain" not in models_for(Category((2,), 2))
    x = torch.randn(200, 2)
    names = [entrant.name for entrant in loglik.compare(["plain", "gaussian"], x).entrants]
    assert names == ["plain", "gaussian"]
    loaded = load(save(build("plain", Real((2,)), floor=0.25), installed / "run"))
    assert loaded.recipe is not None
    assert loaded.recipe["hyperparameters"] == {"floor": 0.25}


def test_a_package_that_cannot_be_imported_is_named(installed: Path) -> None:
    package(installed, "import no_such_thing\n", "odd = strange_models:line")
    with pytest.raises(UsageError, match=r"'odd'.*strange-models.*no_such_thing"):
        build("odd", Real((2,)))
    with pytest.warns(FitWarning, match="'odd'"):
        assert "odd" not in models_for(Real((2,)))  # nobody asked for it by name


def test_a_name_of_another_package_is_taken(installed: Path) -> None:
    package(installed, "line = 3\n", "odd = strange_models:line")
    with pytest.raises(UsageError, match="'odd' already"):
        loglik.register("odd", lambda space: build("uniform", space))


@pytest.mark.parametrize("name", ZOO)
def test_a_seed_gives_the_same_weights_and_leaves_the_generator_alone(name: str) -> None:
    spaces: list[Space] = [Integer((1, 4, 4), 5), Category((16,), 5), Real((16,))]
    space = next(space for space in spaces if suits(name, space))
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


@pytest.mark.parametrize("name", ["realnvp", "ffjord"])
@pytest.mark.parametrize("images", [True, False, "true"])
def test_a_model_of_images_is_no_hyperparameter(name: str, images: object) -> None:
    with pytest.raises(UsageError, match=f"Expected the model `{name}-images` for images; got images of"):
        build(name, Integer((4, 4), 3), images=images)


def test_text_from_a_command_line_is_converted() -> None:
    model = build("made", Integer((4,), 3), hidden="16,8", dropout="0.5")
    assert model.recipe == {
        "name": "made", "space": Integer((4,), 3), "hyperparameters": {"hidden": (16, 8), "dropout": 0.5},
    }  # fmt: skip


@pytest.mark.parametrize("name", ZOO)
def test_save_and_load(name: str, tmp_path: Path) -> None:
    spaces: list[Space] = [Integer((1, 3, 3), 3), Integer((9,), 3), Category((9,), 3), Real((9,))]
    space = next(space for space in spaces if suits(name, space))
    model = build(name, space).eval()
    x = space.draw(30)
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
