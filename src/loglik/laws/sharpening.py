"""The law of sharpening: a temperature and a top k change each conditional of an autoregressive model as they say.

With o the order of generation, samples are to have the distribution

    prod_i q_i(x_o(i) | x_o(<i)),   q_i  ~  p(x_o(i) | x_o(<i))^(1/T)   over the k likeliest levels,

which follows from the model's own p(x) where the first values in its order are few enough to enumerate.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.laws.subject import given, reseed
from loglik.laws.verdict import NotApplicable, Result, Undecided, require, within
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.ops import sum_event
from loglik.spaces import Discrete

TEMPERATURES = (0.5, 2.0)
SAMPLES = 2_000
MOST_LEVELS = 4_000  # of all values of an event: a draw may have to compute the mass of each
VALUES = 100_000  # of all enumerated events together
EXPECTED = 20.0  # neighbouring events that are expected less often are counted together
STANDARD_ERRORS = 6.0  # of the worst of up to SAMPLES / EXPECTED counts
TIED = 1e-9  # log probabilities so near each other may change places by rounding


def sharpening(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """Counts of the first values of samples fit p^(1/T), and top k draws nothing but the k likeliest."""
    if not isinstance(model, Autoregressive) or not isinstance(model.space, Discrete):
        raise NotApplicable("The model does not draw levels one after the other.")
    row = None if context is None else context[:1]
    log_p = _first_values(model, row)
    results = [_temperature(model, row, log_p, temperature) for temperature in TEMPERATURES]
    _top_k(model, row, log_p, (model.space.levels + 1) // 2)
    return max(results, key=lambda result: result.severity)


def _temperature(model: Autoregressive, row: Tensor | None, log_p: Tensor, temperature: float) -> Result:
    expected = SAMPLES * _chain(log_p, lambda conditional: conditional / temperature).exp().flatten()
    observed = torch.bincount(_drawn(model, row, log_p.ndim, temperature, None), minlength=len(expected))
    cell = (expected.cumsum(0) / EXPECTED).long()
    cells = int(cell[-1]) + 1
    counted = torch.zeros(cells).double().index_add(0, cell.cpu(), observed.double().cpu())
    mean = torch.zeros(cells).double().index_add(0, cell.cpu(), expected.double().cpu())
    spread = (mean * (1.0 - mean / SAMPLES)).clamp(min=1.0).sqrt()
    worst = float(((counted - mean) / spread).abs().max())
    return within(worst, STANDARD_ERRORS, f"Standard errors of a count at temperature {temperature}; {cells} counts.")


def _top_k(model: Autoregressive, row: Tensor | None, log_p: Tensor, k: int) -> None:
    """Where the k-th level stands clear of the next one everywhere."""
    clear = True

    def likeliest(conditional: Tensor) -> Tensor:
        nonlocal clear
        ranked = conditional.sort(-1, descending=True).values
        clear = clear and bool((ranked[..., k - 1] - ranked[..., k] > TIED).all())
        return conditional.masked_fill(conditional < ranked[..., k - 1 : k], -torch.inf)

    log_q = _chain(log_p, likeliest).flatten()
    if clear:
        drawn = _drawn(model, row, log_p.ndim, 1.0, k)
        outside = int((log_q[drawn] == -torch.inf).sum())
        require(outside == 0, f"With top k = {k}, {outside} of {len(drawn)} samples are not of the k likeliest levels.")


def _first_values(model: Autoregressive, row: Tensor | None) -> Tensor:
    """(L, ..., L): log p of the first values in the order of generation, as many as can be enumerated."""
    space, together = model.space, max(1, model.head.values)
    assert isinstance(space, Discrete)
    if space.levels * space.dims > MOST_LEVELS or space.levels**together * space.dims > VALUES:
        raise Undecided(f"{space} has too many levels to enumerate.")
    count = together
    while count + together <= space.dims and space.levels ** (count + together) * space.dims <= VALUES:
        count += together
    first = torch.cartesian_prod(*[torch.arange(space.levels, device=model.device)] * count).reshape(-1, count)
    events = torch.zeros(len(first), space.dims, dtype=torch.long, device=model.device)
    events[:, model.order[:count]] = first
    x = model.events(events.reshape(-1, *space.shape), given(row, len(events)))
    with torch.no_grad():
        log_p = model.head.log_prob(model.conditionals(x, given(row, len(x))), model.by_site(x)).flatten(1)
    return sum_event(log_p[:, model.sites[: count // together]]).double().reshape([space.levels] * count)


def _chain(log_p: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """The distribution whose conditionals are those of p, changed and normalised again."""
    log_q = torch.zeros((), dtype=log_p.dtype, device=log_p.device)
    for i in range(1, log_p.ndim + 1):
        so_far = log_p.flatten(i - 1) if i == log_p.ndim else log_p.flatten(i).logsumexp(-1)
        conditional = change(so_far - so_far.logsumexp(-1, keepdim=True))
        log_q = log_q.unsqueeze(-1) + conditional - conditional.logsumexp(-1, keepdim=True)
    return log_q.nan_to_num(nan=-torch.inf, neginf=-torch.inf)  # what follows values of probability zero


def _drawn(model: Autoregressive, row: Tensor | None, count: int, temperature: float, top_k: int | None) -> Tensor:
    """(SAMPLES,): which of the enumerated events each sample begins with."""
    reseed(model, 1)
    x = model.sample_guided(SAMPLES, given(row, SAMPLES), temperature=temperature, top_k=top_k)
    assert isinstance(model.space, Discrete)
    places = model.space.levels ** torch.arange(count - 1, -1, -1, device=x.device)
    return (x.long().flatten(1)[:, model.order[:count]] * places).sum(1)
