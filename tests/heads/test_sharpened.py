"""Temperature and top k act on levels: the share of a grid of noise that gives each level is its probability.

Expected values come from the head's own pmf, enumerated: p^(1/T) / sum p^(1/T), and the k largest of it.
"""

import itertools

import pytest
import torch
from torch import Tensor

from loglik.errors import UsageError
from loglik.heads import (
    BernoulliHead,
    CategoricalHead,
    ColourLogisticHead,
    Head,
    LogisticHead,
    MixtureHead,
    MuLawHead,
    NormalHead,
)

pytestmark = pytest.mark.usefixtures("float64")
SETTINGS = [(1.0, None), (0.5, None), (3.0, None), (1e-9, None), (1.0, 1), (1.0, 2), (0.7, 3), (2.0, 1000)]
each_setting = pytest.mark.parametrize(("temperature", "top_k"), SETTINGS)


def grid(points: int, axes: int) -> Tensor:
    """(points^axes, axes): midpoints of a grid on the unit cube."""
    middle = (torch.arange(points) + 0.5) / points
    return torch.cartesian_prod(*[middle] * axes).reshape(-1, axes)


def sharp(log_p: Tensor, temperature: float, top_k: int | None) -> Tensor:
    """(L,): p^(1/T) of the k likeliest levels; of equal ones the first."""
    kept = sorted(range(len(log_p)), key=lambda level: (-float(log_p[level]), level))[:top_k]
    q = torch.zeros_like(log_p)
    q[kept] = torch.exp((log_p[kept] - log_p.max()) / temperature)
    return q / q.sum()


def shares(head: Head, params: Tensor, noise: Tensor, temperature: float, top_k: int | None, levels: int) -> Tensor:
    x = head.draw_sharpened(params.expand(len(noise), -1), noise, temperature, top_k)
    places = levels ** torch.arange(x[0].numel()) if x.ndim > 1 else torch.ones(1, dtype=torch.long)
    index = (x.reshape(len(x), -1) * places).sum(1)
    return torch.bincount(index, minlength=levels ** (x[0].numel())) / len(noise)


def log_pmf(head: Head, params: Tensor, levels: int) -> Tensor:
    return head.log_prob(params.expand(levels, -1), torch.arange(levels))


ONE_NUMBER: list[tuple[Head, int]] = [
    (BernoulliHead(), 2),
    (CategoricalHead(7, ordered=False), 7),
    (CategoricalHead(300, ordered=True), 300),
]


@each_setting
@pytest.mark.parametrize(("head", "levels"), ONE_NUMBER, ids=["coin", "labels", "levels"])
def test_one_uniform_number_chooses_among_levels(
    head: Head, levels: int, temperature: float, top_k: int | None
) -> None:
    params, noise = 2.0 * torch.randn(head.params), grid(2_000, 1)
    expected = sharp(log_pmf(head, params, levels), temperature, top_k)
    found = shares(head, params, noise, temperature, top_k, levels)
    assert float((found - expected).abs().max()) <= 1.01 / len(noise)


@each_setting
@pytest.mark.parametrize("levels", [3, 40, 700])
def test_logistic_mixtures_enumerate_their_levels(levels: int, temperature: float, top_k: int | None) -> None:
    head = LogisticHead(levels, 3)
    params = torch.randn(head.params) - torch.tensor([0.0, 0.0, 3.0]).repeat_interleave(3)
    line = grid(500, 1)
    noise = torch.cat([torch.rand_like(line), line], dim=1)  # the component is not drawn
    expected = sharp(log_pmf(head, params, levels), temperature, top_k)
    found = shares(head, params, noise, temperature, top_k, levels)
    assert float((found - expected).abs().max()) <= 1.01 / len(line)


@each_setting
@pytest.mark.parametrize("levels", [9, 50])
def test_companded_levels_are_sharpened_and_not_their_codes(levels: int, temperature: float, top_k: int | None) -> None:
    head = MuLawHead(levels)
    params, noise = torch.randn(head.params), grid(150, 2)
    expected = sharp(log_pmf(head, params, levels), temperature, top_k)
    found = shares(head, params, noise, temperature, top_k, levels)
    assert float((found - expected).abs().max()) <= 3.0 / 150
    line = grid(2_000, 1)
    x = head.draw_sharpened(params.expand(2_000, -1), torch.cat([line, torch.rand_like(line)], 1), temperature, top_k)
    by_cell = torch.zeros(head.params).index_add(0, head.code(torch.arange(levels)), expected)
    found = torch.bincount(head.code(x), minlength=head.params) / len(line)
    assert float((found - by_cell).abs().max()) <= 1.01 / len(line)


def test_the_last_of_the_k_likeliest_levels_may_be_part_of_a_cell() -> None:
    """16 bits: cells of 5 to 1395 levels; the likeliest code is not that of the likeliest level."""
    head = MuLawHead(65_536)
    sizes = head.edges.diff()
    params = sizes.log()  # p(code) ~ |cell|: all levels are equally likely
    params[10] += 0.3
    params[128] += 1.0
    noise = torch.rand(20_000, 2)
    first, second = head.edges[128], head.edges[10]
    k = int(sizes[128]) + 7
    x = head.draw_sharpened(params.expand(len(noise), -1), noise, 1.0, k)
    expected = [*range(int(first), int(first + sizes[128])), *range(int(second), int(second) + 7)]
    assert sorted(x.unique().tolist()) == sorted(expected)
    assert head.draw_sharpened(params.expand(5, -1), noise[:5], 1.0, 1).tolist() == [int(first)] * 5


@each_setting
@pytest.mark.parametrize("colours", [1, 2, 3])
def test_colours_of_a_pixel_are_sharpened_one_given_those_before(
    colours: int, temperature: float, top_k: int | None
) -> None:
    """As the chain of conditionals of the enumerated joint pmf has it."""
    levels, points = 4, {1: 1000, 2: 120, 3: 30}[colours]
    head = ColourLogisticHead(levels, 3, colours)
    params = torch.randn(head.params)
    events = torch.tensor(list(itertools.product(range(levels), repeat=colours)))
    log_p = head.log_prob(params.expand(len(events), -1), events).reshape([levels] * colours)
    expected = torch.ones(())
    for c in range(colours):  # p(x_<=c), and with it p(x_c | x_<c) for every x_<c
        so_far = log_p.reshape(*[levels] * (c + 1), -1).logsumexp(-1)
        rows = (so_far - so_far.logsumexp(-1, keepdim=True)).reshape(-1, levels)
        sharpened = torch.stack([sharp(row, temperature, top_k) for row in rows]).reshape([levels] * (c + 1))
        expected = expected.unsqueeze(-1) * sharpened
    noise = grid(points, colours)
    x = head.draw_sharpened(
        params.expand(len(noise), -1), torch.cat([torch.rand(len(noise), 1), noise], 1), temperature, top_k
    )
    index = (x * levels ** torch.arange(colours - 1, -1, -1)).sum(1)
    found = torch.bincount(index, minlength=levels**colours) / len(noise)
    assert float((found - expected.flatten()).abs().max()) <= 1.01 * colours / points


def test_draws_of_many_rows_go_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    head = LogisticHead(50, 2)
    params, noise = torch.randn(6, 5, head.params), torch.rand(6, 5, 2)
    whole = head.draw_sharpened(params, noise, 0.5, 20)
    monkeypatch.setattr("loglik.heads.logistic.AT_ONCE", 700)
    assert torch.equal(head.draw_sharpened(params, noise, 0.5, 20), whole)
    assert whole.shape == (6, 5)


@pytest.mark.parametrize("temperature", [0.25, 4.0])
def test_a_normal_has_t_times_its_variance(temperature: float) -> None:
    head = NormalHead()
    params = torch.tensor([0.3, -0.7])
    x = torch.linspace(-3, 3, 7)
    log_q = head.log_prob(params.expand(7, -1), x) / temperature
    z = torch.randn(5, 1)
    plain, drawn = head.draw(params.expand(5, -1), z), head.draw_sharpened(params.expand(5, -1), z, temperature, None)
    torch.testing.assert_close(drawn - 0.3, (plain - 0.3) * temperature**0.5)
    # The slope of log q at distance d from the mean is -d / variance.
    slope = torch.diff(log_q, n=2) / torch.diff(x)[0] ** 2
    torch.testing.assert_close(((plain - 0.3) / z[:, 0]).square() * temperature, (-1.0 / slope)[:5])


def test_reals_without_a_closed_form_are_refused_by_name() -> None:
    head = MixtureHead(2)
    with pytest.raises(UsageError, match="MixtureHead"):
        head.draw_sharpened(torch.randn(3, head.params), torch.rand(3, 2), 0.5, None)
    with pytest.raises(UsageError, match="NormalHead"):
        NormalHead().draw_sharpened(torch.randn(3, 2), torch.rand(3, 1), 1.0, 5)
