"""Agreement of reviewers with each other and with themselves: Cohen's kappa (1960).

Only blind verdicts count: a second look shows the others' verdicts, and on gold all who are right agree. A repair
counts as a reject: the mask as shown was wrong.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from manifests.decisions.decision import Decision, MaskKey, Purpose, Verdict

_BLIND: tuple[Purpose, ...] = ("work", "repeat")

Pair = tuple[Verdict, Verdict]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of two reviewers on the `n` masks that both judged, or of one (`first` twice) on masks judged twice.

    `observed` is the share of equal verdicts; `kappa` is None where chance alone would always agree.
    """

    first: str
    second: str
    n: int
    observed: float | None
    kappa: float | None


def agreements(verdicts: Sequence[Decision]) -> list[Agreement]:
    """Agreement of each two reviewers with masks in common, by name; their first verdicts count."""
    by_mask: dict[MaskKey, dict[str, Verdict]] = defaultdict(dict)
    for decision in verdicts:
        if decision.purpose in _BLIND:
            by_mask[decision.key].setdefault(decision.reviewer, decision.verdict_as_shown)
    pairs: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for by_reviewer in by_mask.values():
        for first, second in combinations(sorted(by_reviewer), 2):
            pairs[first, second].append((by_reviewer[first], by_reviewer[second]))
    return [_agreement(first, second, pairs[first, second]) for first, second in sorted(pairs)]


def self_agreements(verdicts: Sequence[Decision]) -> dict[str, Agreement]:
    """Agreement of each reviewer's work with their own repeats; reviewers without repeats are left out."""
    at_work = {(d.reviewer, d.key): d.verdict_as_shown for d in verdicts if d.purpose == "work"}
    pairs: dict[str, list[Pair]] = defaultdict(list)
    for decision in verdicts:
        before = at_work.get((decision.reviewer, decision.key))
        if decision.purpose == "repeat" and before:
            pairs[decision.reviewer].append((before, decision.verdict_as_shown))
    return {reviewer: _agreement(reviewer, reviewer, pairs[reviewer]) for reviewer in sorted(pairs)}


def cohen_kappa(pairs: Sequence[Pair]) -> float | None:
    """Agreement beyond chance, 1 at most; None for no pairs, or when both always gave the same one verdict."""
    if not pairs:
        return None
    first = sum(pair[0] == "accept" for pair in pairs) / len(pairs)
    second = sum(pair[1] == "accept" for pair in pairs) / len(pairs)
    by_chance = first * second + (1 - first) * (1 - second)
    return None if by_chance == 1 else (_observed(pairs) - by_chance) / (1 - by_chance)


def _observed(pairs: Sequence[Pair]) -> float:
    return sum(first == second for first, second in pairs) / len(pairs)


def _agreement(first: str, second: str, pairs: Sequence[Pair]) -> Agreement:
    return Agreement(first, second, len(pairs), _observed(pairs) if pairs else None, cohen_kappa(pairs))
