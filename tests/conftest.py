"""What all tests share: a seed before each, and float64 where numbers are compared with formulas.

Warnings are errors and the markers `slow`, `peer`, `gpu` are declared in pyproject.toml. Models are built in float32,
as users build them, unless a test module asks for the fixture `float64`; the laws themselves compute in float64.
"""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def float64() -> Iterator[None]:
    """What is built inside is float64; the default comes back."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
