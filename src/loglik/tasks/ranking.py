"""Who is ahead of whom, and how surely: only what is comparable is ranked, and a bound never loses for sure."""

from dataclasses import dataclass

from loglik.contract import Claim
from loglik.difference import Difference
from loglik.score import Score, incomparable
from loglik.tasks.verdicts import on_most_rows, surely_behind


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
    higher. Verdicts are simultaneous: the chance that any one of a table is wrong is 5 % at most, 4 % for those on
    means and 1 % for those on rows. Where the lead is not sure, or within rounding, the two are called level.
    """
    candidates = [name for name, score in scores.items() if not _unrankable(score)]
    # The largest group of scores that can stand in one ranking; the rest are told what separates them from it.
    group = max((_with(name, candidates, scores) for name in candidates), key=len, default=[])
    order = sorted(group, key=lambda name: scores[name].nats, reverse=True)
    standings = _standings({name: scores[name] for name in order})
    for name, score in scores.items():
        if name not in group:
            reason = _unrankable(score) or next(filter(None, (incomparable(score, scores[other]) for other in order)))
            standings.append(Standing(name, score, None, False, None, f"not ranked: {reason}"))
    return standings


def _with(name: str, candidates: list[str], scores: dict[str, Score]) -> list[str]:
    """Scores that can all be compared with this one and with each other.

    One that takes no context can be compared with scores under either of two contexts, which with each other cannot.
    """
    group = [name]
    for other in candidates:
        if other != name and not any(incomparable(scores[other], scores[member]) for member in group):
            group.append(other)
    return group


def _unrankable(score: Score) -> str:
    if score.claim is Claim.ESTIMATE:
        return "an estimate may lie on either side of the truth"
    if score.not_finite:
        return f"the score is not finite; first row {score.not_finite[0] + 1}"
    return ""


def _standings(ordered: dict[str, Score]) -> list[Standing]:
    """Of scores that can stand in one ranking, best first."""
    if not ordered:
        return []
    leader, *others = ordered
    leads = {name: ordered[leader] - ordered[name] for name in others}
    behind = surely_behind(leads)
    standings = [Standing(leader, ordered[leader], 1, False, None, _first(leads, behind))]
    for place, (name, lead) in enumerate(leads.items(), start=2):
        is_bound = ordered[name].claim is Claim.LOWER_BOUND
        if name in behind:
            verdict = f"undecided: a bound, behind {leader}" if is_bound else f"behind {leader}"
        else:
            rows = on_most_rows(lead, len(ordered))
            verdict = f"level with {leader}" + (f"; {rows}" if rows else "")
        standings.append(Standing(name, ordered[name], place, is_bound, lead, verdict))
    return standings


def _first(leads: dict[str, Difference], behind: set[str]) -> str:
    """What may be said of the leader: it has surely beaten the exact values below it, never the bounds."""
    beaten = [name for name in behind if leads[name].favours_a]
    if len(beaten) == len(leads):
        return "first, for sure" if beaten else "alone"
    return f"leads; surely ahead of {len(beaten)} of {len(leads)}"
