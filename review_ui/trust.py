"""What the decision log tells about the reviewers: speed, error rates on gold, and what slipped through.

All figures are pure functions of the standing decisions and the gold samples. A skip is no verdict. A reviewer's
later verdict on the same mask for the same purpose replaces the earlier one, as in a manifest: a reject with a
reason comes as a second decision.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from manifests.decisions import MODES, Decision, MaskKey, Mode, Purpose
from review_ui.error_rates import Rate, SlippedThrough, slipped_through
from review_ui.gold import GoldSample
from review_ui.pace import hours_of_work

Gold = Mapping[MaskKey, GoldSample]


@dataclass(frozen=True, slots=True)
class Seconds:
    """Quartiles of decision_ms over `n` decisions, in seconds."""

    n: int
    lower: float
    median: float
    upper: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What one reviewer did on one view, or several together.

    verdicts        accepts and rejects of all purposes
    accepted        accepts out of the verdicts at work; gold, repeats and second looks are left out
    false_accept    accepts out of the gold that must be rejected
    false_reject    rejects out of the gold that must be accepted
    slipped         wrong masks among those accepted at work; None without gold
    hours           of work, pauses of more than five minutes left out
    """

    verdicts: int
    skips: int
    seconds: Seconds | None
    seconds_of_accepts: Seconds | None
    accepted: Rate
    false_accept: Rate
    false_reject: Rate
    slipped: SlippedThrough | None
    hours: float


@dataclass(frozen=True, slots=True)
class ReviewerFigures:
    """`reviewer` None: all reviewers together; `mode` None: both views."""

    reviewer: str | None
    mode: Mode | None
    figures: Figures


def reviewer_figures(decisions: Sequence[Decision], gold: Gold, *, seed: int) -> list[ReviewerFigures]:
    """In total and then per reviewer, by name: both views together, then each by itself when both were used.

    `decisions` are all standing ones, oldest first; `seed` is that of the intervals' Monte Carlo.
    """
    found = []
    for reviewer in (None, *sorted({decision.reviewer for decision in decisions})):
        of_reviewer = [decision for decision in decisions if reviewer in (None, decision.reviewer)]
        used = [mode for mode in MODES if any(decision.mode == mode for decision in of_reviewer)]
        views = (None, *(used if len(used) > 1 else ()))
        found += [ReviewerFigures(reviewer, mode, figures(of_reviewer, gold, seed=seed, mode=mode)) for mode in views]
    return found


def figures(decisions: Sequence[Decision], gold: Gold, *, seed: int, mode: Mode | None = None) -> Figures:
    """Of these decisions alone, or of those among them that were made on one view."""
    judged = [decision for decision in verdicts(decisions) if mode in (None, decision.mode)]
    accepted = _accept_rate([decision for decision in judged if decision.purpose == "work"])
    on_gold = _on_gold(judged, gold)
    on_bad = _accept_rate([d for d in on_gold if gold[d.key].right_verdict == "reject"])
    on_good = _accept_rate([d for d in on_gold if gold[d.key].right_verdict == "accept"])
    false_reject = Rate(on_good.n - on_good.hits, on_good.n)
    in_mode = [decision for decision in decisions if mode in (None, decision.mode)]
    return Figures(
        verdicts=len(judged),
        skips=sum(decision.verdict == "skip" for decision in in_mode),
        seconds=_seconds(judged),
        seconds_of_accepts=_seconds([decision for decision in judged if decision.verdict == "accept"]),
        accepted=accepted,
        false_accept=on_bad,
        false_reject=false_reject,
        slipped=slipped_through(accepted, on_bad, false_reject, seed=seed),
        hours=hours_of_work(in_mode),
    )


def false_accepts_by_damage(decisions: Sequence[Decision], gold: Gold) -> dict[str, Rate]:
    """Accepts out of the damaged gold, by kind of damage, the most often accepted first."""
    by_damage: dict[str, list[Decision]] = defaultdict(list)
    for decision in _on_gold(verdicts(decisions), gold):
        damage = gold[decision.key].damage
        if damage:
            by_damage[damage].append(decision)
    rates = {damage: _accept_rate(by_damage[damage]) for damage in sorted(by_damage)}
    return dict(sorted(rates.items(), key=lambda item: -item[1].hits / item[1].n))


def verdicts(decisions: Sequence[Decision]) -> list[Decision]:
    """Each reviewer's last accept or reject of each mask for each purpose, in the order of these last ones."""
    latest: dict[tuple[str, MaskKey, Purpose], Decision] = {}
    for decision in decisions:
        if decision.verdict != "skip":
            place = (decision.reviewer, decision.key, decision.purpose)
            latest.pop(place, None)
            latest[place] = decision
    return list(latest.values())


def _on_gold(judged: Sequence[Decision], gold: Gold) -> list[Decision]:
    return [decision for decision in judged if decision.purpose == "gold" and decision.key in gold]


def _accept_rate(judged: Sequence[Decision]) -> Rate:
    return Rate(sum(decision.verdict == "accept" for decision in judged), len(judged))


def _seconds(judged: Sequence[Decision]) -> Seconds | None:
    timed = [decision.decision_ms / 1000 for decision in judged if decision.decision_ms is not None]
    if not timed:
        return None
    lower, median, upper = np.percentile(timed, (25, 50, 75)).tolist()
    return Seconds(len(timed), lower, median, upper)
