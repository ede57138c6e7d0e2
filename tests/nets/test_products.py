"""Products of matrices are the same by both libraries, whatever the memory their factors lie in."""

import pytest
import torch
from torch import Tensor

from loglik.nets.dense import products
from loglik.nets.dense.products import linear, product

N, K, M = 256, 192, 160
LAYOUTS = {
    "rows": lambda t: t,
    "columns": lambda t: t.t().contiguous().t(),
    "a part of the columns": lambda t: torch.cat([t, t], 1)[:, : t.shape[1]],
    "every other row": lambda t: t.repeat_interleave(2, 0)[::2],
}


@pytest.fixture(params=[True, False], ids=["onednn", "mkl"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param and not torch.backends.mkldnn.is_available():
        pytest.skip("this build of torch has no oneDNN")
    monkeypatch.setattr(products, "onednn_is_faster", lambda: request.param)


def close(found: Tensor, expected: Tensor) -> None:
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("right", LAYOUTS)
def test_products_are_those_of_float64(left: str, right: str) -> None:
    a, b, w = torch.randn(N, K), torch.randn(K, M), torch.randn(M, K)
    assert a.numel() * M >= products.LARGE
    laid_a, laid_b, laid_w = LAYOUTS[left](a), LAYOUTS[right](b), LAYOUTS[right](w)
    close(product(laid_a, laid_b), a.double() @ b.double())
    close(linear(laid_a, laid_w), a.double() @ w.double().t())
    for onto in (torch.randn(M), torch.randn(N, M), torch.randn(N, 1).expand(N, M)):
        close(linear(laid_a, laid_w, onto), a.double() @ w.double().t() + onto.double())
        close(product(laid_a, laid_b, onto), a.double() @ b.double() + onto.double())


@pytest.mark.usefixtures("library")
def test_factors_that_repeat_one_number_are_taken_as_they_are() -> None:
    one, w = torch.tensor([[0.5]]), torch.randn(M, K)
    close(linear(one.expand(N, K), w), 0.5 * w.double().sum(1).expand(N, M))
    close(product(w, one.expand(K, N)), 0.5 * w.double().sum(1, keepdim=True).expand(M, N))


def test_without_rows_there_is_nothing() -> None:
    assert linear(torch.randn(0, K), torch.randn(M, K), torch.randn(M)).shape == (0, M)
