"""The paired difference of two scores: how far one is ahead of the other, and how surely."""

from dataclasses import dataclass, field, replace
from functools import cached_property

from torch import Tensor

from loglik.contract import Claim
from loglik.uncertainty import Few, MeanError, few_rows, mean_error, sign_test

ROUNDING = 1e-12  # of the size of the values; a lead within it is none


@dataclass(frozen=True)
class Difference:
    """The mean of log p_a(x) - log p_b(x) over the same rows, with its paired standard error; positive: a is ahead.

    `pasts` are what a's and b's rows were conditioned on, where that differs (`Score.past`). `size` is the mean size of
    the values that were subtracted; `groups` and `stream` are theirs (`Score.groups`).

    >>> import torch
    >>> ahead = Difference(torch.tensor([0.9, 1.0, 1.1, 1.0]), Claim.EXACT, Claim.EXACT)
    >>> f"{ahead.nats:.2f} +- {ahead.stderr:.2f}, significant: {ahead.significant}"
    '1.00 +- 0.04, significant: True'
    """

    values: Tensor = field(repr=False, compare=False)
    claim_a: Claim
    claim_b: Claim
    pasts: tuple[str, str] | None = None
    size: float = 0.0
    groups: Tensor | None = field(default=None, repr=False, compare=False)
    stream: bool = False

    @cached_property
    def error(self) -> MeanError:
        """The standard error with what it was estimated from: rows, groups, or blocks of a stream."""
        return mean_error(self.values, self.groups, stream=self.stream)

    @property
    def nats(self) -> float:
        return self.error.mean

    @property
    def stderr(self) -> float:
        return self.error.stderr

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Nats; see `Score.interval`."""
        return self.error.interval(level)

    @property
    def significant(self) -> bool:
        """Whether the two numbers differ, at 5 %: this pair alone, not one picked from a table (`tasks.ranking`)."""
        return self.differs(0.05)

    def differs(self, alpha: float) -> bool:
        """Whether the interval of level 1 - alpha leaves out 0, and the lead is more than rounding.

        Rows that all differ by the same say nothing of their spread; then it takes as many of them as the test that
        flips their signs needs, 2^(1 - N) <= alpha.
        """
        rounding = ROUNDING * self.size
        if not abs(self.nats) > rounding:
            return False
        if self.stderr <= rounding:
            return 2.0 ** (1 - self.error.units) <= alpha
        low, high = self.interval(1.0 - alpha)
        return low > 0.0 or high < 0.0

    @property
    def decided(self) -> bool:
        """Whether a surely has the higher likelihood: its number is ahead, and b's is exact."""
        return self.significant and self.favours_a

    @property
    def favours_a(self) -> bool:
        """Whether a's number is ahead, and its true value too if the two numbers really differ.

        log p_a >= a's number when a is a bound, and log p_b = b's number when b is exact, so a bound that beats an
        exact value has won. Where b is a bound its true value may be higher, so nothing follows; nor from an estimate.
        """
        return self.nats > 0 and self.claim_a is not Claim.ESTIMATE and self.claim_b is Claim.EXACT

    @cached_property
    def few(self) -> Few | None:
        """The rows that carry the mean, where they are few."""
        return few_rows(self.values)

    def share_ahead(self) -> float:
        """The share of rows on which a is ahead; a tie counts half."""
        return 0.5 + 0.5 * float(self._signs().mean())

    def typical(self, alpha: float) -> bool:
        """Whether one is ahead on more rows than the other, at level alpha. It says nothing of the mean."""
        return sign_test(self._signs(), self.groups, stream=self.stream) <= alpha

    def _signs(self) -> Tensor:
        return self.values.sign() * (self.values.abs() > ROUNDING * self.size)

    def __neg__(self) -> "Difference":
        pasts = self.pasts and (self.pasts[1], self.pasts[0])
        return replace(self, values=-self.values, claim_a=self.claim_b, claim_b=self.claim_a, pasts=pasts)

    def __str__(self) -> str:
        text = f"{self.nats:+.4f} +- {self.stderr:.4f} nats per event, paired over {len(self.values)} rows"
        text += f", {self.error.source}" if self.error.source else ""
        return text + (f" ({' against '.join(past or 'rows alone' for past in self.pasts)})" if self.pasts else "")
