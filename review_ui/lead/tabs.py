"""The tabs of the lead's page that show figures: each is a function of one snapshot, to HTML."""

from collections.abc import Callable
from html import escape

from review_ui.lead.html import Html, pace_chart
from review_ui.lead.snapshot import Snapshot
from review_ui.lead.tables import (
    agreement_table,
    damage_table,
    disputed_table,
    headline,
    progress_table,
    reasons_table,
    reviewers_table,
)
from review_ui.quality.agreement import agreements, self_agreements
from review_ui.quality.pace import pace
from review_ui.quality.reviewer_quality import disputed_gold, false_accepts_by_damage, reviewer_figures, verdicts

SEED = 0  # of the intervals' Monte Carlo: figures change when the log does, and not by looking again
_NOBODY = Html("<p>Nobody has judged a mask yet.</p>")
_EXPLANATION = """
<p>In small print: 95 % intervals, and of seconds the middle half. <b>False accepts</b> are damaged gold masks that were
accepted, <b>false rejects</b> good ones that were rejected. <b>Wrong among accepted</b> is what slipped through at
work, estimated from both. <b>Agrees with self</b>: Cohen's κ over masks judged twice.</p>
"""
_NO_GOLD = """
<p>No gold sample has been shown, so nothing is known about errors. Gold is made of ground_truth rows.</p>
"""


def heading(snapshot: Snapshot) -> str:
    manifest, taken = escape(str(snapshot.manifest.path)), f"{snapshot.taken_at:%H:%M:%S} UTC"
    return f'<h1>Review board</h1><p>{manifest} at {taken} · <a href="/">review page</a></p>'


def _progress(snapshot: Snapshot) -> str:
    tally = snapshot.tally
    if not sum(tally.total.values()):
        return "<p>Nothing in this version wants a review.</p>"
    by_source = progress_table("source", tally.by_source)
    by_doubt = progress_table("doubt", tally.by_doubt)
    return headline(tally, snapshot.forecast) + by_source + "<h2>By the teacher's doubt</h2>" + by_doubt


def _reasons(snapshot: Snapshot) -> str:
    return reasons_table(snapshot.tally.reasons) if snapshot.tally.reasons else "<p>No mask was rejected.</p>"


def _reviewers(snapshot: Snapshot) -> str:
    judged = verdicts(snapshot.decisions)
    if not judged:
        return _NOBODY
    shown_gold = any(decision.purpose == "gold" for decision in judged)
    figures = reviewer_figures(snapshot.decisions, snapshot.gold, seed=SEED)
    pairs = agreements(judged)
    between = agreement_table(pairs) if pairs else "<p>No mask was judged by two reviewers.</p>"
    return (
        reviewers_table(figures, self_agreements(judged))
        + (_EXPLANATION if shown_gold else _NO_GOLD)
        + f'<div class="columns"><section><h2>Decisions per minute</h2>{pace_chart(pace(snapshot.decisions))}'
        + f"<h2>Agreement of two reviewers</h2>{between}</section><section>{_by_damage(snapshot)}</section></div>"
    )


def _by_damage(snapshot: Snapshot) -> str:
    by_damage = false_accepts_by_damage(snapshot.decisions, snapshot.gold)
    return f"<h2>False accepts by damage</h2>{damage_table(by_damage)}" if by_damage else ""


def _second_look(snapshot: Snapshot) -> str:
    waiting = snapshot.second_look
    if not waiting:
        return "<p>No mask waits for a second look.</p>"
    return (
        f"<p><b>{waiting:,}</b> {'mask waits' if waiting == 1 else 'masks wait'} for a second look: reviewers "
        "disagree, or one of them asked for it. Their verdicts are shown, and yours decides.</p>"
        '<p><a href="/?queue=second_look">Open the second look</a></p>'
    )


def _problems(snapshot: Snapshot) -> str:
    lines = "".join(f"<li>{escape(problem)}</li>" for problem in snapshot.problems)
    set_aside = f"<p>{len(snapshot.problems):,} set aside, for nobody can judge them:</p><ul>{lines}</ul>"
    disputed = disputed_gold(snapshot.decisions, snapshot.gold)
    return (set_aside if snapshot.problems else "<p>No sample was set aside.</p>") + (
        f"<h2>Gold that most reviewers judged otherwise</h2>{disputed_table(disputed)}" if disputed else ""
    )


TABS: dict[str, Callable[[Snapshot], str]] = {
    "Progress": _progress,
    "Reasons": _reasons,
    "Reviewers": _reviewers,
    "Second look": _second_look,
    "Problems": _problems,
}
