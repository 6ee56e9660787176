"""Quality of each reviewer from the decision log: speed, error rates on gold, wrong accepted masks.

All figures are pure functions of the standing decisions and the gold samples. A skip is no verdict. A reviewer's
later verdict on the same mask for the same purpose replaces the earlier one, as in a manifest: a reject with a
reason comes as a second decision.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from manifests.decisions.decision import MODES, Decision, MaskKey, Mode, Purpose
from review_ui.quality.error_rates import Rate, SlippedThrough, slipped_through
from review_ui.quality.gold import GoldSample
from review_ui.quality.pace import hours_by_reviewer

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
    """Figures of one reviewer on one view, or of several together.

    verdicts        accepts and rejects of all purposes
    accepted        accepts out of the verdicts at work; gold, repeats and second looks are left out
    false_accept    accepts out of the gold that must be rejected
    false_reject    rejects out of the gold that must be accepted
    slipped         wrong masks among those accepted at work; None without gold
    """

    verdicts: int
    skips: int
    seconds: Seconds | None
    accepted: Rate
    false_accept: Rate
    false_reject: Rate
    slipped: SlippedThrough | None


@dataclass(frozen=True, slots=True)
class ReviewerFigures:
    """`reviewer` None: all reviewers together; `mode` None: both views.

    `hours` of work, pauses left out; None for one view: time can't be split between views.
    """

    reviewer: str | None
    mode: Mode | None
    figures: Figures
    hours: float | None


def reviewer_figures(decisions: Sequence[Decision], gold: Gold, *, seed: int) -> list[ReviewerFigures]:
    """Figures in total, then per reviewer by name: both views together, then each view when both were used.

    `decisions` are all standing ones, oldest first; `seed` is that of the intervals' Monte Carlo.
    """
    last = _last_words(decisions)
    hours = hours_by_reviewer(decisions)
    lines = [
        ReviewerFigures(None, mode, _figures(chosen, gold, seed), None if mode else sum(hours.values()))
        for mode, chosen in _by_view(last)
    ]
    for reviewer in sorted(hours):
        own = _by_view([decision for decision in last if decision.reviewer == reviewer])
        lines += [
            ReviewerFigures(reviewer, mode, _figures(chosen, gold, seed), None if mode else hours[reviewer])
            for mode, chosen in own
        ]
    return lines


def _figures(decisions: Sequence[Decision], gold: Gold, seed: int) -> Figures:
    """Quality figures of last verdicts and skips."""
    judged = [decision for decision in decisions if decision.verdict != "skip"]
    accepted = _accept_rate([decision for decision in judged if decision.purpose == "work"])
    on_gold = _on_gold(judged, gold)
    on_bad = _accept_rate([d for d in on_gold if gold[d.key].right_verdict == "reject"])
    on_good = _accept_rate([d for d in on_gold if gold[d.key].right_verdict == "accept"])
    false_reject = Rate(on_good.n - on_good.hits, on_good.n)
    return Figures(
        verdicts=len(judged),
        skips=len(decisions) - len(judged),
        seconds=_seconds(judged),
        accepted=accepted,
        false_accept=on_bad,
        false_reject=false_reject,
        slipped=slipped_through(accepted, on_bad, false_reject, seed=seed),
    )


def false_accepts(decisions: Sequence[Decision], gold: Gold) -> Rate:
    """Accepts out of the damaged gold that these decisions judge."""
    damaged = [d for d in _on_gold(verdicts(decisions), gold) if gold[d.key].right_verdict == "reject"]
    return _accept_rate(damaged)


def false_accepts_by_damage(decisions: Sequence[Decision], gold: Gold) -> dict[str, Rate]:
    """Accepts out of the damaged gold, by kind of damage, the most often accepted first."""
    by_damage: dict[str, list[Decision]] = defaultdict(list)
    for decision in _on_gold(verdicts(decisions), gold):
        damage = gold[decision.key].damage
        if damage:
            by_damage[damage].append(decision)
    rates = {damage: _accept_rate(by_damage[damage]) for damage in sorted(by_damage)}
    return dict(sorted(rates.items(), key=lambda item: -item[1].hits / item[1].n))


def disputed_gold(decisions: Sequence[Decision], gold: Gold) -> list[tuple[GoldSample, Rate]]:
    """Gold that several reviewers judged, most of them otherwise, with the share of those, the largest first.

    Either the ground truth is wrong, or the damage is invisible.
    """
    by_key: dict[MaskKey, list[Decision]] = defaultdict(list)
    for decision in _on_gold(verdicts(decisions), gold):
        by_key[decision.key].append(decision)
    against = {
        key: Rate(sum(decision.verdict_as_shown != gold[key].right_verdict for decision in judged), len(judged))
        for key, judged in by_key.items()
    }
    disputed = [(gold[key], rate) for key, rate in against.items() if rate.n > 1 and 2 * rate.hits > rate.n]
    return sorted(disputed, key=lambda item: (-item[1].hits, item[0].key))


def verdicts(decisions: Sequence[Decision]) -> list[Decision]:
    """Each reviewer's last accept or reject of each mask for each purpose, in the order of these last ones."""
    latest: dict[tuple[str, str, str, Purpose], Decision] = {}
    for decision in decisions:
        if decision.verdict != "skip":
            place = (decision.reviewer, decision.sample_id, decision.mask_sha256, decision.purpose)
            latest.pop(place, None)
            latest[place] = decision
    return list(latest.values())


def _last_words(decisions: Sequence[Decision]) -> list[Decision]:
    """The verdicts that count, and every skip."""
    return [*verdicts(decisions), *(decision for decision in decisions if decision.verdict == "skip")]


def _by_view(decisions: Sequence[Decision]) -> list[tuple[Mode | None, Sequence[Decision]]]:
    """All decisions, then those of each view when both were used."""
    by_mode = [(mode, [decision for decision in decisions if decision.mode == mode]) for mode in MODES]
    return [(None, decisions), *(by_mode if all(chosen for _, chosen in by_mode) else ())]


def _on_gold(judged: Sequence[Decision], gold: Gold) -> list[Decision]:
    return [decision for decision in judged if decision.purpose == "gold" and decision.key in gold]


def _accept_rate(judged: Sequence[Decision]) -> Rate:
    return Rate(sum(decision.verdict_as_shown == "accept" for decision in judged), len(judged))


def _seconds(judged: Sequence[Decision]) -> Seconds | None:
    timed = [decision.decision_ms / 1000 for decision in judged if decision.decision_ms is not None]
    if not timed:
        return None
    lower, median, upper = np.percentile(timed, (25, 50, 75)).tolist()
    return Seconds(len(timed), lower, median, upper)
