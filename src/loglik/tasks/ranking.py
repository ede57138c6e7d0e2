"""Who is ahead of whom, and how surely: only what is comparable is ranked, and a bound never loses for sure."""

from dataclasses import dataclass

from loglik.contract import Claim
from loglik.score import Difference, Score, incomparable


@dataclass(frozen=True)
class Standing:
    """The place of one score in the ranking.

    place: from 1; None if the score is not ranked, and `verdict` says why. open: the place may be better in truth, as
    the number is a bound and lost to another. behind: the paired difference leader - this, None for the leader.
    """

    name: str
    score: Score
    place: int | None
    open: bool
    behind: Difference | None
    verdict: str


def rank(scores: dict[str, Score]) -> list[Standing]:
    """Standings, best first; then what could not be ranked, with the reason.

    A bound that beats an exact value has surely won. A bound that loses to one is undecided: its exact value may be
    higher. Differences within two paired standard errors are called level.
    """
    candidates = [name for name, score in scores.items() if not _unrankable(score)]
    # The largest group of scores that can stand in one ranking; the rest are told what separates them from it.
    groups = [[b for b in candidates if not incomparable(scores[a], scores[b])] for a in candidates]
    group = max(groups, key=len, default=[])
    order = sorted(group, key=lambda name: scores[name].nats, reverse=True)
    standings = [_standing(scores, order, place) for place in range(len(order))]
    for name, score in scores.items():
        if name not in group:
            reason = _unrankable(score) or incomparable(score, scores[order[0]])
            standings.append(Standing(name, score, None, False, None, f"not ranked: {reason}"))
    return standings


def _unrankable(score: Score) -> str:
    if score.claim is Claim.ESTIMATE:
        return "an estimate may lie on either side of the truth"
    if score.not_finite:
        return f"the score is not finite; first row {score.not_finite[0]}"
    return ""


def _standing(scores: dict[str, Score], order: list[str], place: int) -> Standing:
    name, leader = order[place], order[0]
    score = scores[name]
    if place == 0:
        return Standing(name, score, 1, False, None, _leads(scores, order))
    behind = scores[leader] - score
    is_bound = score.claim is Claim.LOWER_BOUND
    if not behind.significant:
        verdict = f"level with {leader}"
    elif is_bound:
        verdict = f"undecided: a bound, behind {leader}"
    else:
        verdict = f"behind {leader}"
    return Standing(name, score, place + 1, is_bound, behind, verdict)


def _leads(scores: dict[str, Score], order: list[str]) -> str:
    """What may be said of the leader: it has surely beaten the exact values below it, never the bounds."""
    leader = scores[order[0]]
    beaten = [name for name in order[1:] if (leader - scores[name]).decided]
    if len(beaten) == len(order) - 1:
        return "first, for sure" if beaten else "alone"
    return f"leads; surely ahead of {len(beaten)} of {len(order) - 1}"
