"""Mu-law: every level in one cell, an exact pmf on 16 bits, draws from it, and the codec's known error."""

import math

import pytest
import torch

from loglik.errors import UsageError
from loglik.heads import CategoricalHead, MuLawHead, head_for
from loglik.heads.companded import cells, compress, expand
from loglik.spaces import Category, Integer

pytestmark = pytest.mark.usefixtures("float64")
PCM = 65_536


@pytest.mark.parametrize("levels", [2, 3, 5, 50, 255, 256, 4096, PCM])
def test_every_level_lies_in_exactly_one_cell(levels: int) -> None:
    head = MuLawHead(levels)
    code = head.code(torch.arange(levels))
    assert code[0] == 0
    assert code[-1] == head.params - 1
    assert torch.equal(torch.bincount(code), head.edges.diff())
    assert int(head.edges.diff().min()) >= 1
    assert int(code.diff().min()) >= 0


def test_sixteen_bits_have_256_codes_by_the_formula() -> None:
    """The integer cells against F in floating point: code = floor(128 (F + 1))."""
    head, x = MuLawHead(PCM), torch.arange(PCM)
    assert head.params == 256
    sizes = head.edges.diff()
    assert int(sizes.sum()) == PCM
    assert (int(sizes.min()), int(sizes.max())) == (5, 1395)
    v = (x - 32768).double() / 32768
    f = torch.sign(v) * torch.log(1 + 255 * v.abs()) / math.log(256)
    assert torch.equal(head.code(x), torch.floor(128 * (f + 1)).long().clamp(max=255))


def test_error_of_the_codec() -> None:
    """Half a cell in F, 1/256; of a decoded level, which is whole, up to half a level more."""
    head, x = MuLawHead(PCM), torch.arange(PCM)
    codes = torch.arange(256)
    assert torch.equal(head.code(head.decode(codes)), codes)
    f = head.compressed(x)
    assert float((f - ((2 * head.code(x) + 1) / 256 - 1)).abs().max()) <= 1 / 256
    half_a_level = 0.5 / 32768 * 255 / (1 + 255 * ((x - 32768).abs() - 1) / 32768) / math.log(256)
    decoded = (head.compressed(head.decode(head.code(x))) - f).abs()
    assert bool((decoded <= 1 / 256 + half_a_level).all())
    assert float((decoded > 1 / 256).double().mean()) < 1e-3


def test_expand_is_the_inverse_of_compress() -> None:
    v = torch.linspace(-1, 1, 4001)
    torch.testing.assert_close(expand(compress(v)), v, atol=1e-15, rtol=1e-14)
    torch.testing.assert_close(compress(torch.tensor([-1.0, 0.0, 1.0])), torch.tensor([-1.0, 0.0, 1.0]))


@pytest.mark.parametrize("levels", [2, 7, 256, PCM])
def test_all_levels_sum_to_one(levels: int) -> None:
    head = MuLawHead(levels)
    params = 3 * torch.randn(head.params)
    x = torch.arange(levels)
    p = head.log_prob(params.expand(levels, -1), x).exp()
    assert float(p.sum()) == pytest.approx(1.0, abs=1e-12)
    # And the probability of a code is that of all its levels.
    by_code = torch.zeros(head.params).scatter_add(0, head.code(x), p)
    torch.testing.assert_close(by_code, params.softmax(0))


def test_bits_are_those_of_the_code_and_of_the_place_in_its_cell() -> None:
    head, x = MuLawHead(PCM), torch.randint(PCM, (500,))
    params = torch.randn(500, head.params)
    of_code = CategoricalHead(256, ordered=True).log_prob(params, head.code(x))
    torch.testing.assert_close(head.log_prob(params, x), of_code - head.log_size(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_spread_over_codes_and_cells(dtype: torch.dtype) -> None:
    head, n = MuLawHead(PCM), 60_000
    logits = torch.full((256,), -60.0, dtype=dtype)
    logits[[3, 128, 255]] = torch.tensor([0.5, 0.2, 0.3], dtype=dtype).log()
    x = head.sample(logits.expand(n, -1))
    assert set(head.code(x).tolist()) == {3, 128, 255}
    assert torch.bincount(head.code(x), minlength=256)[[3, 128, 255]].double().sub(
        n * torch.tensor([0.5, 0.2, 0.3])
    ).abs().max() < 5 * math.sqrt(n / 4)
    middle = x[head.code(x) == 128]
    assert torch.equal(torch.unique(middle), torch.arange(32768, 32774))
    loud = x[head.code(x) == 255].double()
    edge = float(head.edges[255])
    assert float(loud.mean()) == pytest.approx((edge + PCM - 1) / 2, abs=5 * (PCM - edge) / math.sqrt(12 * len(loud)))


def test_the_last_number_below_one_stays_within_the_cell() -> None:
    head = MuLawHead(PCM)
    noise = torch.full((256, 2), 1.0 - 2.0**-24, dtype=torch.float32)
    x = head.draw(torch.where(torch.eye(256) > 0, 0.0, -60.0).float(), noise)
    assert torch.equal(x, head.edges[1:] - 1)


def test_few_levels_have_fewer_codes() -> None:
    assert len(cells(4)) - 1 == 4
    assert len(cells(256)) - 1 < 256
    assert isinstance(head_for(Integer((4,), 256), "mu-law"), MuLawHead)


def test_is_for_ordered_levels() -> None:
    with pytest.raises(UsageError, match="Expected ordered levels"):
        head_for(Category((3,), 256), "mu-law")
