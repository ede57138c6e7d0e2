"""Every example in a docstring runs and prints what it says; every public function, space and builder has one."""

import ast
import doctest
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import loglik
from loglik.spaces import Space
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


def test_every_public_space_has_an_example() -> None:
    public = [getattr(loglik, name) for name in loglik.__all__]
    spaces = [kind for kind in public if inspect.isclass(kind) and issubclass(kind, Space) and kind is not Space]
    assert spaces
    for kind in spaces:
        assert f"{kind.__module__}:{kind.__name__}" in EXAMPLES


def test_a_wrong_example_fails() -> None:
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(test, out=lambda _: None).failed == 1
