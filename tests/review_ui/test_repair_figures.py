"""Repairs of reviewers, and warnings of the lead's board, by hand."""

from datetime import UTC, datetime

import pytest

from manifests.decisions.decision import Decision, Purpose, Verdict
from review_ui.lead.tables import NOT_KNOWN, failing_gold, repairs_table, reviewers_table
from review_ui.quality.agreement import agreements
from review_ui.quality.error_rates import Rate, SlippedThrough
from review_ui.quality.gold import GoldSample
from review_ui.quality.repairs import repair_figures
from review_ui.quality.reviewer_quality import Figures, ReviewerFigures, reviewer_figures

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def decision(
    number: int, verdict: Verdict = "accept", *, by: str = "ann", iou: float | None = None, ms: int | None = 2000,
    purpose: Purpose = "work",
) -> Decision:  # fmt: skip
    """A decision on mask `number`, with a repair if an IoU is given."""
    edited = f"{number:064x}" if iou is not None else None
    return Decision(
        f"{by}-{number}", f"{number:032x}", "m", verdict, by, NOON, None, ms, "single", purpose, edited, iou
    )  # fmt: skip


def test_repairs_are_counted_timed_and_measured():
    log = [
        decision(0, iou=0.90, ms=4000), decision(1, iou=0.98, ms=8000), decision(2), decision(3, "reject"),
        decision(4, by="bob", iou=0.94, ms=None), decision(5, by="cyd"),
        decision(6, iou=0.5, purpose="gold"),
    ]  # fmt: skip
    everybody, ann, bob = repair_figures(log)
    assert (everybody.reviewer, everybody.repairs, everybody.accepted) == (None, 3, 5)
    assert (ann.repairs, ann.accepted, ann.seconds, ann.iou, ann.least_iou) == (2, 3, 6.0, pytest.approx(0.94), 0.90)
    assert (bob.reviewer, bob.seconds, bob.iou) == ("bob", None, 0.94)
    assert "0.940<small>least 0.900</small>" in repairs_table([ann])


def test_without_repairs_there_is_no_table():
    assert repair_figures([decision(0), decision(1, "reject")]) == []


def test_a_repair_of_damaged_gold_found_the_damage_and_of_good_gold_is_a_false_reject():
    gold = {
        (f"{number:032x}", "m"): GoldSample(f"{number:032x}", "m", "i", 10, 10, right, "straight cut")
        for number, right in enumerate(("reject", "reject", "accept"))
    }
    log = [decision(0, iou=0.9, purpose="gold"), decision(1, purpose="gold"), decision(2, iou=0.99, purpose="gold")]
    figures = reviewer_figures(log, gold, seed=0)[0].figures
    assert (figures.false_accept, figures.false_reject) == (Rate(1, 2), Rate(1, 1))


def test_a_repair_disagrees_with_an_accept():
    (pair,) = agreements([decision(0, iou=0.9), decision(0, by="bob"), decision(1), decision(1, by="bob")])
    assert pair.observed == 0.5


def figures_of(false_accept: Rate, slipped: SlippedThrough | None) -> ReviewerFigures:
    figures = Figures(9, 0, None, Rate(8, 9), false_accept, Rate(0, 10), slipped)
    return ReviewerFigures("ann", None, figures, 1.0)


@pytest.mark.parametrize(
    ("slipped", "words"),
    [
        (None, NOT_KNOWN),
        (SlippedThrough(0.0, (0.0, 1.0), 174), NOT_KNOWN),
        (SlippedThrough(0.05, (0.0, 0.21), 174), NOT_KNOWN),
        (SlippedThrough(0.02, (0.01, 0.06), 200), "2.0\N{NO-BREAK SPACE}%"),
    ],
)
def test_a_share_that_says_nothing_is_not_known_yet(slipped, words):
    assert words in reviewers_table([figures_of(Rate(2, 10), slipped)], {})


def test_without_any_gold_there_is_nothing_to_know():
    assert NOT_KNOWN not in reviewers_table([figures_of(Rate(0, 0), None)], {})


@pytest.mark.parametrize(
    ("rate", "is_failing"), [((8, 10), True), ((4, 10), True), ((3, 10), False), ((0, 0), False), ((12, 400), False)]
)
def test_failing_gold_is_a_warning(rate, is_failing):
    warnings = failing_gold([figures_of(Rate(*rate), None)])
    assert bool(warnings) == is_failing
    if is_failing:
        assert warnings == [f"ann: {rate[0]} of {rate[1]} damaged gold masks were accepted"]
