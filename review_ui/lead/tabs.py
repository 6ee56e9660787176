"""The tabs of the lead's page that show figures, each a function of one snapshot -> HTML."""

from collections.abc import Callable
from functools import partial

from review_ui.lead.html import pace_chart, render
from review_ui.lead.snapshot import Snapshot
from review_ui.lead.tables import (
    activity_table,
    agreement_table,
    damage_table,
    deliveries_table,
    disputed_table,
    failing_gold,
    headline,
    progress_table,
    reasons_table,
    repair_agreement_table,
    repairs_table,
    reviewers_table,
    teachers_table,
)
from review_ui.quality.agreement import agreements, self_agreements
from review_ui.quality.pace import pace
from review_ui.quality.repair_agreement import blob_iou, repair_agreements
from review_ui.quality.repairs import repair_figures
from review_ui.quality.reviewer_quality import disputed_gold, false_accepts_by_damage, verdicts
from review_ui.quality.teacher_choices import teacher_choices, teachers_of_pairs


def heading(snapshot: Snapshot) -> str:
    """The page's title, the version and the time, and a warning where reviewers fail on gold."""
    warnings = failing_gold(snapshot.figures)
    return render("heading.html", version=snapshot.manifest.path, taken_at=snapshot.taken_at, warnings=warnings)


def _progress(snapshot: Snapshot) -> str:
    tally = snapshot.tally
    return render(
        "progress.html",
        headline=headline(tally, snapshot.forecast) if sum(tally.total.values()) else None,
        by_source=progress_table("source", tally.by_source),
        by_doubt=progress_table("doubt", tally.by_doubt),
    )


def _reasons(snapshot: Snapshot) -> str:
    reasons = snapshot.tally.reasons
    return render("reasons.html", reasons=reasons_table(reasons) if reasons else None)


def _reviewers(snapshot: Snapshot) -> str:
    judged = verdicts(snapshot.decisions)
    if not judged:
        return render("reviewers.html", reviewers=None)
    pairs = agreements(judged)
    repairs = repair_figures(judged)
    repaired_twice = repair_agreements(judged, partial(blob_iou, snapshot.manifest.data_root))
    by_damage = false_accepts_by_damage(snapshot.decisions, snapshot.gold)
    return render(
        "reviewers.html",
        reviewers=reviewers_table(snapshot.figures, self_agreements(judged)),
        shown_gold=any(decision.purpose == "gold" for decision in judged),
        pace=pace_chart(pace(snapshot.decisions)),
        agreement=agreement_table(pairs) if pairs else None,
        by_damage=damage_table(by_damage) if by_damage else None,
        repairs=repairs_table(repairs) if repairs else None,
        repair_agreement=repair_agreement_table(repaired_twice) if repaired_twice else None,
    )


def _teachers(snapshot: Snapshot) -> str:
    has_pairs = any(decision.rival_mask_sha256 for decision in snapshot.decisions)
    choices = teacher_choices(snapshot.decisions, teachers_of_pairs(snapshot.manifest)) if has_pairs else []
    return render("teachers.html", choices=teachers_table(choices) if choices else None)


def _second_look(snapshot: Snapshot) -> str:
    return render("second_look.html", waiting=snapshot.second_look)


def _problems(snapshot: Snapshot) -> str:
    disputed = disputed_gold(snapshot.decisions, snapshot.gold)
    return render("problems.html", problems=snapshot.problems, disputed=disputed_table(disputed) if disputed else None)


def _log(snapshot: Snapshot) -> str:
    return render(
        "log.html",
        rows=activity_table(snapshot.activity) if snapshot.activity else None,
        deliveries=deliveries_table(snapshot.deliveries) if snapshot.deliveries else None,
    )


TABS: dict[str, Callable[[Snapshot], str]] = {
    "Progress": _progress,
    "Reasons": _reasons,
    "Reviewers": _reviewers,
    "Teachers": _teachers,
    "Second look": _second_look,
    "Problems": _problems,
    "Log": _log,
}
