"""The autoregressive model: a causal net whose outputs a head reads as conditional distributions."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from loglik.contract import Claim, ExactModel, Model
from loglik.errors import UsageError
from loglik.heads import Head
from loglik.models.beginning import Beginning, padded
from loglik.nets.causal import CarryingNet, CausalNet, Draws, Steps, WholePasses
from loglik.ops import sum_event
from loglik.spaces import Space

MOST_POOLED = 1 << 22  # so many values tell the marginal that sites share


class Autoregressive(ExactModel):
    """log p(x) = sum_i log p(x_o(i) | x_o(<i)),  o the order in which values are generated.

    One pass of the net gives all conditionals of a given x. A sample is drawn value by value; nets that keep what they
    have computed (`CausalNet.steps`) pay for each value once, all others for a whole pass.

    Where the head draws the colours of a pixel together, x_o(i) stands for all of them: the events are (C, H, W) or
    (H, W), the net reads and gives (B, H, W, ...), and o runs over the pixels in raster order.

    It starts from the marginals of the data, so what training gains is dependence.

    Args:
        net: (B, *event, head.inputs), context (B, C) or None -> (B, *event, head.params), where the outputs at value
            o(i) depend on the inputs at values o(<i) only.
        order: (D,), indices into the flattened event, in the order of generation; values drawn together follow each
            other.
    """

    def __init__(self, space: Space, net: CausalNet, head: Head, order: Tensor, context: Space | None = None) -> None:
        super().__init__(space, context)
        self.net = net
        self.head = head
        self.register_buffer("order", order, persistent=False)  # that of the net, which keeps it where it was drawn
        self.register_load_state_dict_post_hook(_renew_order)

    @property
    def sites(self) -> Tensor:
        """(S,): the place of each step's site among the flattened sites; values themselves are sites of one."""
        together = max(1, self.head.values)
        return self.order[::together] % (len(self.order) // together)

    def by_site(self, x: Tensor) -> Tensor:
        """Events as net and head see them: as they are, or (B, H, W, C) where the head draws the colours together."""
        if not self.head.values:
            return x
        return x.movedim(1, -1) if len(self.space.shape) == 3 else x.unsqueeze(-1)

    def conditionals(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event) -> (B, *sites, params): what the head is told about each site, given those before it."""
        outputs: Tensor = self.net(self.head.encode(self.by_site(x), self.dtype), self.condition(context))
        return outputs

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context)
        if not len(x):  # nets cannot lay out nothing
            return torch.zeros(0, dtype=torch.float64, device=x.device)
        return sum_event(self.head.log_prob(self.conditionals(x, context), self.by_site(x)))

    @property
    def carries(self) -> bool:
        return isinstance(self.net, CarryingNet)

    def log_likelihood_from(
        self, x: Tensor, state: Tensor | None, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        if not isinstance(self.net, CarryingNet):
            return super().log_likelihood_from(x, state, context)
        x = self.by_site(self.events(x, context))
        params, state = self.net.run(self.head.encode(x, self.dtype), state, self.condition(context))
        return sum_event(self.head.log_prob(params, x)), state.detach()

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        self.measure_context(context)
        self.net.start(self._marginal(self.by_site(self.events(x, context))))

    def _marginal(self, values: Tensor) -> Tensor:
        """(B, *sites) -> (*sites, params): each site's marginal, or that of all sites which share their bias."""
        together = int(self.head.values > 0)
        sites = values.shape[1 : values.ndim - together]
        shared = len(sites) if self.net.alike is None else self.net.alike
        own = len(sites) - shared  # axes whose sites have biases of their own
        few = values[:: max(1, len(values) * math.prod(sites[own:]) // MOST_POOLED)] if shared else values
        pooled = few.movedim(tuple(range(1 + own, 1 + len(sites))), tuple(range(1, 1 + shared))).flatten(0, shared)
        params = self.head.marginal(pooled)
        return params.reshape(*sites[:own], *[1] * shared, -1).expand(*sites, -1)

    def steps(self, n: int, context: Tensor | None = None, *, whole: bool = False) -> Steps:
        """The conditionals of n events one site after the other; `whole` takes a pass of the net for each."""
        condition = self.condition(context)
        incremental = None if whole else self.net.steps(n, condition)
        if incremental is not None:
            return incremental
        blank = self.space.events(torch.zeros(n, *self.space.shape, device=self.device), self.dtype)
        return WholePasses(self.net, self.head.encode(self.by_site(blank), self.dtype), self.sites, condition)

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return self.sample_guided(n, context)

    @property
    def guided(self) -> bool:
        return True

    @property
    def lengthens(self) -> bool:
        return self.carries and len(self.space.shape) == 1

    @torch.no_grad()
    def sample_guided(
        self,
        n: int,
        context: Tensor | None = None,
        *,
        given: Tensor | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        length: int | None = None,
    ) -> Tensor:
        """n draws, (n, *event), or (n, length).

        Args:
            given: the known beginning of the events, (n, ...) or (1, ...) for all: the first time steps of (T,), the
                first rows of (H, W) or (C, H, W). What follows is drawn from p(rest | given).
            temperature: T of p(x_i | x_<i)^(1/T), by which each value is drawn; below 1 the samples are likelier, and
                no longer draws from p(x). For real values where they are normal.
            top_k: draws each value only among its k likeliest levels.
            length: of the sequences to draw, beyond one window, from a model that carries its state on.

        Raises:
            UsageError: a beginning that the order of generation does not begin with, an impossible temperature, a
                length where there is only the event's own.
        """
        space, order = (self.space, self.order) if length is None else self._of_length(length)
        context = self.contexts(n, context)
        known = (
            torch.empty(n, 0, dtype=torch.long, device=self.device)
            if given is None
            else self._known(n, given, space, order)
        )
        draws = _draws(self.head, temperature, top_k)
        return self._continued(known, order, context, draws).reshape(n, *space.shape)

    def _continued(self, known: Tensor, order: Tensor, context: Tensor | None, draws: Draws) -> Tensor:
        """(n, k), the first values in `order` (D,) -> whole events (n, D), in their own order, the rest drawn."""
        n, together = len(known), max(1, self.head.values)
        noise = self.head.noise((len(order) // together, n), torch.empty(0, dtype=self.dtype, device=self.device))
        beginning = known.reshape(n, -1, together) if self.head.values else known
        in_order = self.steps(n, context).run(draws, noise, beginning.transpose(0, 1)).transpose(0, 1).reshape(n, -1)
        x = torch.empty_like(in_order)
        x[:, order] = in_order
        return x

    def conditions(self, observed: Tensor) -> Claim | None:
        """Exact if the observed values come first in the order of generation, and are drawn one by one."""
        in_order = observed.flatten(1)[:, self.order.to(observed.device)]
        first = bool((in_order[:, 1:] <= in_order[:, :-1]).all())
        return Claim.EXACT if first and not self.head.values else None

    def log_marginal(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """The factors of the observed values, which come first: prod_i<=k p(x_o(i) | x_o(<i))."""
        x, observed = self._beginning(x, observed, context)
        log_p = self.head.log_prob(self.conditionals(x, context), x)
        return sum_event(torch.where(observed, log_p, 0.0))

    @torch.no_grad()
    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        x, observed = self._beginning(x, observed, context)
        in_order = x.flatten(1)[:, self.order]
        known = observed.flatten(1).sum(1)
        drawn = torch.empty_like(in_order)
        for k in set(known.tolist()):
            rows = (known == k).nonzero().squeeze(1)
            some = None if context is None else context[rows]
            drawn[rows] = self._continued(in_order[rows, :k], self.order, some, self.head).to(drawn.dtype)
        return drawn.reshape(x.shape)

    def _beginning(self, x: Tensor, observed: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Events whose values are 0 where they are not observed, and the masks, which each hold a beginning."""
        observed = self.masks(observed, x)
        if self.head.values:
            self._refuse("draws the colours of a pixel together, and leaves none out; give whole events")
        if self.conditions(observed) is None:
            raise UsageError(
                "Expected the observed values to come first in the order of generation; got others, and the net was "
                "not trained for them. Build made with order='agnostic'."
            )
        return self.events(torch.where(observed, x.to(self.device), 0), context), observed

    @property
    def shortens(self) -> bool:
        """Conditionals never see what comes later, in the natural order of a sequence."""
        in_order = torch.equal(self.order.cpu(), torch.arange(self.space.dims))
        return in_order and len(self.space.shape) == 1 and not self.head.values

    def shortened(self, length: int) -> Model:
        if not self.shortens:
            return super().shortened(length)
        return Beginning(self, length).to(self.device)

    def _of_length(self, length: int) -> tuple[Space, Tensor]:
        """Sequences of another length than an event's, and the order of their values."""
        if length < 1:
            raise UsageError(f"Expected a length of at least 1; got {length}.")
        if not self.lengthens:
            raise UsageError(
                f"This model draws events of shape {self.space.shape}, and no others; leave the length out, or fit a "
                "model whose state goes on, such as char-rnn."
            )
        return replace(self.space, shape=(length,)), torch.arange(length, device=self.device)

    def _known(self, n: int, given: Tensor, space: Space, order: Tensor) -> Tensor:
        """(n, k): the first k values in the order of generation."""
        whole, known = (part.to(self.device) for part in padded(given, n, space.shape))
        places = known.flatten().nonzero().squeeze(1)
        first = order[: len(places)]
        if not torch.equal(first.sort().values, places):
            raise UsageError("The order of generation does not begin with what is given; build with order='natural'.")
        return space.events(whole, self.dtype).flatten(1)[:, first].expand(n, -1)

    order: Tensor


def _renew_order(model: Autoregressive, _: object) -> None:
    """After loading, the order is the one that the net was given."""
    if model.net.saved_order is not None:
        model.order.copy_(model.net.saved_order)


@dataclass(frozen=True)
class Sharpened:
    """A head that draws from p^(1/temperature), among the `top_k` likeliest levels."""

    head: Head
    temperature: float
    top_k: int | None

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return self.head.encode(x, dtype)

    def sample(self, params: Tensor, noise: Tensor) -> Tensor:
        return self.head.draw_sharpened(params, noise, self.temperature, self.top_k)

    def at(self, site: int) -> "Sharpened":
        return replace(self, head=self.head.at(site))


def _draws(head: Head, temperature: float, top_k: int | None) -> Head | Sharpened:
    if not 0 < temperature < math.inf or (top_k is not None and top_k < 1):
        raise UsageError(f"Expected temperature > 0 and top_k >= 1; got {temperature} and {top_k}.")
    return head if temperature == 1.0 and top_k is None else Sharpened(head, temperature, top_k)
