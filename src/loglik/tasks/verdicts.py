"""Whom the leader of a table has surely left behind: all verdicts of one table hold together."""

import math
from collections.abc import Mapping

from loglik.contract import Claim
from loglik.difference import Difference
from loglik.uncertainty import carry_the_mean

MEAN = 0.04  # the chance that any of a table's verdicts on means is wrong
ROWS = 0.01  # and any on rows; 5 % together


def surely_behind(leads: Mapping[str, Difference]) -> set[str]:
    """Those whose mean is surely below the leader's, of k models in all; `leads` are the differences leader - model.

    The leader was picked because it is ahead, so any of the k (k - 1) / 2 pairs might have come to stand here, and each
    is allowed its share of the risk (Bonferroni). Models found to be behind are set aside, since no pair of theirs can
    mislead any more, and the rest are judged with the k that remain (after Holm 1979).
    """
    rest = dict(leads)
    while True:
        pairs = len(rest) * (len(rest) + 1) / 2
        found = [name for name, lead in rest.items() if lead.differs(MEAN / pairs)]
        if not found:
            return set(leads) - set(rest)
        for name in found:
            del rest[name]


def on_most_rows(lead: Difference, models: int) -> str:
    """What rows say where the mean cannot decide, as few rows carry it: "ahead on 98 % of rows ..." or "behind on ...".

    It is asked of the model behind by its mean, of so many in the table; empty where there is nothing to say. Only
    what surely holds for the true values is said, so never of a bound that would be the one behind.
    """
    few = lead.few
    if few is None or not lead.typical(ROWS / (models * (models - 1) / 2)):
        return ""
    share = lead.share_ahead()
    if (lead.claim_b if share > 0.5 else lead.claim_a) is not Claim.EXACT:
        return ""
    word, of = ("behind", share) if share > 0.5 else ("ahead", 1.0 - share)
    return f"{word} on {math.floor(100.0 * of)} % of rows, but {carry_the_mean(few.rows)}"
