"""Every example in a docstring runs and prints what it says; public functions, spaces and builders have one."""

import ast
import doctest
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import loglik
from loglik import Category, Entry, Integer, Real
from loglik.zoo import ZOO

SOURCE = Path(loglik.__file__).parent
DEFINED = (ast.FunctionDef, ast.ClassDef, ast.Module)


def documented(path: Path) -> Iterator[tuple[str, str]]:
    """The name and the docstring of what has an example; read off the text, so that nothing is imported for it."""
    module = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    for node in ast.walk(ast.parse(path.read_text())):
        text = ast.get_docstring(node) if isinstance(node, DEFINED) else None
        if text and ">>>" in text:
            yield f"{module}:{getattr(node, 'name', '')}", text


EXAMPLES = dict(one for path in sorted(SOURCE.rglob("*.py")) if ">>>" in path.read_text() for one in documented(path))


@pytest.fixture(autouse=True)
def zoo() -> Iterator[None]:
    """An example may register a model."""
    before = dict(ZOO)
    yield
    ZOO.clear()
    ZOO.update(before)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(name: str) -> None:
    module = importlib.import_module(name.partition(":")[0])
    test = doctest.DocTestParser().get_doctest(EXAMPLES[name], vars(module).copy(), name, module.__file__, 0)
    assert test.examples
    said: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert result.failed == 0, "".join(said)


@pytest.mark.parametrize("name", [name for name in loglik.__all__ if inspect.isfunction(getattr(loglik, name))])
def test_every_public_function_has_an_example(name: str) -> None:
    function = getattr(loglik, name)
    assert f"{function.__module__}:{function.__name__}" in EXAMPLES


@pytest.mark.parametrize("kind", [Category, Entry, Integer, Real])
def test_every_public_class_that_a_user_calls_has_an_example(kind: type) -> None:
    assert f"{kind.__module__}:{kind.__name__}" in EXAMPLES


@pytest.mark.parametrize("name", ZOO)
def test_every_builder_has_an_example(name: str) -> None:
    builder = ZOO[name].load()
    example = EXAMPLES[f"{builder.__module__}:{builder.__name__}"]
    assert f'loglik.build("{name}"' in example


def test_a_wrong_example_fails() -> None:
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(test, out=lambda _: None).failed == 1
