"""What the log tells about reviewers: error rates and what slipped through, agreement, pace. Numbers by hand."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from manifests.decisions.decision import Decision, Verdict
from review_ui.quality.agreement import agreements, cohen_kappa, self_agreements
from review_ui.quality.error_rates import Rate, clopper_pearson, slipped_through
from review_ui.quality.gold import GoldSample, GoldSamples
from review_ui.quality.pace import forecast, hours_by_reviewer, pace, stretches
from review_ui.quality.reviewer_quality import (
    disputed_gold,
    false_accepts_by_damage,
    reviewer_figures,
    verdicts,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEED = 5
SIMULATIONS = 100
NUMBERS: Iterator[int] = count()


def decision(mask: object, verdict: Verdict = "accept", **changes: object) -> Decision:
    """By ada, at work, in a second, one second after the last one."""
    number = next(NUMBERS)
    values = {"reviewer": "ada", "decision_ms": 1000, "decided_at": NOON + timedelta(seconds=number)} | changes
    return Decision(decision_id=str(number), sample_id=str(mask), mask_sha256="m", verdict=verdict, **values)


def gold_of(*bad: bool) -> GoldSamples:
    """One gold sample each, named g0, g1, ...; damaged where `bad`."""
    return GoldSamples(
        [
            GoldSample(f"g{i}", "m", "i", 3, 4, "reject" if wrong else "accept", "shifted" if wrong else None)
            for i, wrong in enumerate(bad)
        ]
    )


def accepts(masks: Sequence[object], **changes: object) -> list[Decision]:
    return [decision(mask, **changes) for mask in masks]


# Intervals


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0, 0.3085), (1, 10, 0.0025, 0.4450), (5, 10, 0.1871, 0.8129), (10, 10, 0.6915, 1), (0, 100, 0, 0.0362)],
)
def test_clopper_pearson_gives_the_textbooks_numbers(hits, n, low, high):
    assert clopper_pearson(hits, n) == pytest.approx((low, high), abs=5e-5)


def test_a_rate_of_nothing_is_none():
    assert (Rate(0, 0).value, Rate(0, 0).interval) == (None, None)


# What slipped through


def test_what_slipped_through_by_hand():
    found = slipped_through(Rate(800, 1000), Rate(10, 100), Rate(5, 100), seed=SEED)
    assert found.share == pytest.approx((0.15 / 0.85) * 0.1 / 0.8)  # (1 - 0.05 - 0.8) / (1 - 0.05 - 0.1) are wrong
    assert found.count == pytest.approx(17.647, abs=1e-3)
    assert found.share_interval[0] < found.share < found.share_interval[1]


def test_a_reviewer_without_a_false_accept_may_still_have_let_some_through():
    found = slipped_through(Rate(800, 1000), Rate(0, 50), Rate(2, 50), seed=SEED)
    assert found.share == 0
    assert 0.005 < found.share_interval[1] < 0.05


def test_nobody_accepts_more_than_all_good_masks():
    assert slipped_through(Rate(990, 1000), Rate(5, 50), Rate(5, 50), seed=SEED).share == 0


@pytest.mark.parametrize(
    ("accepted", "false_accept", "false_reject"),
    [
        (Rate(9, 10), Rate(0, 0), Rate(1, 5)),
        (Rate(9, 10), Rate(1, 5), Rate(0, 0)),
        (Rate(0, 10), Rate(1, 5), Rate(1, 5)),
        (Rate(0, 0), Rate(1, 5), Rate(1, 5)),
        (Rate(9, 10), Rate(4, 5), Rate(1, 5)),
    ],
    ids=["no damaged gold", "no good gold", "nothing accepted", "no work", "no better than chance"],
)
def test_nothing_is_estimated_out_of_nothing(accepted, false_accept, false_reject):
    assert slipped_through(accepted, false_accept, false_reject, seed=SEED) is None


def test_the_same_seed_gives_the_same_interval():
    rates = (Rate(80, 100), Rate(3, 50), Rate(2, 50))
    assert slipped_through(*rates, seed=1) == slipped_through(*rates, seed=1)


# Figures


def test_rates_come_from_gold_and_the_accept_rate_from_work_alone():
    gold = gold_of(True, True, True, False, False)
    log = [
        decision("a"), decision("b"), decision("c", "reject"), decision("d", "skip"),
        decision("a", "reject", purpose="repeat"), decision("c", purpose="second_look"),
        decision("g0", purpose="gold"), decision("g1", "reject", purpose="gold"),
        decision("g2", "skip", purpose="gold"),
        decision("g3", "reject", purpose="gold"), decision("g4", purpose="gold"),
        decision("elsewhere", purpose="gold"),
    ]  # fmt: skip
    found = reviewer_figures(log, gold, seed=SEED)[0].figures
    assert found.accepted == Rate(2, 3)
    assert found.false_accept == Rate(1, 2)
    assert found.false_reject == Rate(1, 2)
    assert (found.verdicts, found.skips) == (10, 2)


def test_without_gold_nothing_is_known_about_errors():
    found = reviewer_figures(accepts("abc"), GoldSamples(), seed=SEED)[0].figures
    assert (found.false_accept.value, found.false_reject.interval, found.slipped) == (None, None, None)


def test_the_last_verdict_on_a_mask_counts_per_reviewer_and_purpose():
    first, second = decision("a", "reject"), decision("a", "reject", reason="hair")
    other, repeat, skip = decision("a", reviewer="bob"), decision("a", purpose="repeat"), decision("a", "skip")
    assert verdicts([first, other, second, repeat, skip]) == [other, second, repeat]


def test_seconds_are_quartiles_of_what_was_timed():
    log = [decision(i, decision_ms=ms) for i, ms in enumerate((1000, 2000, 3000, 4000, 5000, None))]
    log.append(decision("slow", "reject", decision_ms=9000))
    found = reviewer_figures(log, GoldSamples(), seed=SEED)[0].figures
    assert (found.seconds.n, found.seconds.lower, found.seconds.median, found.seconds.upper) == (6, 2.25, 3.5, 4.75)


def test_nothing_timed_gives_no_seconds():
    assert reviewer_figures([decision("a", decision_ms=None)], GoldSamples(), seed=SEED)[0].figures.seconds is None


def test_figures_come_in_total_then_by_reviewer_and_by_view_where_both_were_used():
    log = [decision("a"), decision("b", mode="grid"), decision("c", reviewer="bob", mode="grid")]
    found = reviewer_figures(log, GoldSamples(), seed=SEED)
    assert [(line.reviewer, line.mode, line.figures.verdicts) for line in found] == [
        (None, None, 3), (None, "single", 1), (None, "grid", 2),
        ("ada", None, 2), ("ada", "single", 1), ("ada", "grid", 1),
        ("bob", None, 1),
    ]  # fmt: skip


def test_a_verdict_changed_on_the_other_view_counts_there_only():
    log = [decision("g0", mode="grid", purpose="gold"), decision("g0", "reject", purpose="gold")]
    log += [decision("a", mode="grid"), decision("b")]
    by_mode = {line.mode: line.figures for line in reviewer_figures(log, gold_of(True), seed=SEED) if line.reviewer}
    assert by_mode["grid"].false_accept == Rate(0, 0)
    assert by_mode["single"].false_accept == Rate(0, 1)


def test_no_decision_at_all_gives_empty_figures():
    (line,) = reviewer_figures([], GoldSamples(), seed=SEED)
    assert (line.reviewer, line.figures.verdicts, line.hours, line.figures.slipped) == (None, 0, 0, None)


def test_false_accepts_are_told_by_damage():
    gold = gold_of(True, True, False)
    log = [decision("g0", purpose="gold"), decision("g1", "reject", purpose="gold"), decision("g2", purpose="gold")]
    assert false_accepts_by_damage(log, gold) == {"shifted": Rate(1, 2)}


def test_gold_that_most_reviewers_judge_otherwise_is_disputed():
    gold = gold_of(True, True, False, False)
    log = [
        decision("g0", purpose="gold"), decision("g0", reviewer="bob", purpose="gold"),
        decision("g0", "reject", reviewer="eve", purpose="gold"),
        decision("g1", purpose="gold"), decision("g1", "reject", reviewer="bob", purpose="gold"),
        decision("g2", "reject", purpose="gold"),
        decision("g3", purpose="gold"), decision("g3", reviewer="bob", purpose="gold"),
    ]  # fmt: skip
    assert disputed_gold(log, gold) == [(gold["g0", "m"], Rate(2, 3))]


# A simulated reviewer, whose error rates are known


def simulated(
    rng: random.Random, *, false_accept: float, false_reject: float, wrong_share: float
) -> tuple[list[Decision], GoldSamples, float]:
    """600 masks at work and 200 of gold; the decisions, the gold, and the share of the accepted that is wrong."""
    gold = gold_of(*(i < 100 for i in range(200)))
    is_wrong = {f"w{i}": rng.random() < wrong_share for i in range(600)}
    is_wrong |= {sample.sample_id: sample.right_verdict == "reject" for sample in gold.values()}
    log = []
    for mask, wrong in is_wrong.items():
        accepted = rng.random() < false_accept if wrong else rng.random() >= false_reject
        log.append(decision(mask, "accept" if accepted else "reject", purpose="gold" if mask[0] == "g" else "work"))
    accepted_work = [is_wrong[d.sample_id] for d in log if d.purpose == "work" and d.verdict == "accept"]
    return log, gold, sum(accepted_work) / len(accepted_work)


@pytest.mark.parametrize(
    ("false_accept", "false_reject", "wrong_share"),
    [(0.03, 0.05, 0.15), pytest.param(0.15, 0.02, 0.3, marks=pytest.mark.slow)],
)
def test_the_intervals_cover_a_simulated_reviewers_true_rates(false_accept, false_reject, wrong_share):
    covered = {"false accept": 0, "false reject": 0, "slipped through": 0}
    for seed in range(SIMULATIONS):
        log, gold, slipped = simulated(
            random.Random(seed), false_accept=false_accept, false_reject=false_reject, wrong_share=wrong_share
        )
        found = reviewer_figures(log, gold, seed=seed)[0].figures
        covered["false accept"] += _within(false_accept, found.false_accept.interval)
        covered["false reject"] += _within(false_reject, found.false_reject.interval)
        covered["slipped through"] += _within(slipped, found.slipped.share_interval)
    print(covered)
    assert min(covered.values()) >= 0.9 * SIMULATIONS, covered


def _within(value: float, interval: tuple[float, float]) -> bool:
    return interval[0] <= value <= interval[1]


# Agreement


def pairs(*, both_accept: int, both_reject: int, only_first: int, only_second: int) -> list[tuple[Verdict, Verdict]]:
    accept: Verdict = "accept"
    reject: Verdict = "reject"
    return (
        [(accept, accept)] * both_accept
        + [(reject, reject)] * both_reject
        + [(accept, reject)] * only_first
        + [(reject, accept)] * only_second
    )


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        ({"both_accept": 20, "both_reject": 15, "only_first": 5, "only_second": 10}, 0.4),  # (0.7 - 0.5) / 0.5
        ({"both_accept": 3, "both_reject": 3, "only_first": 0, "only_second": 0}, 1),
        ({"both_accept": 0, "both_reject": 0, "only_first": 2, "only_second": 2}, -1),
        ({"both_accept": 1, "both_reject": 1, "only_first": 1, "only_second": 1}, 0),
        ({"both_accept": 4, "both_reject": 0, "only_first": 1, "only_second": 0}, 0),
        ({"both_accept": 9, "both_reject": 0, "only_first": 0, "only_second": 0}, None),
        ({"both_accept": 0, "both_reject": 0, "only_first": 0, "only_second": 0}, None),
    ],
)
def test_kappa_by_hand(table, kappa):
    assert cohen_kappa(pairs(**table)) == (None if kappa is None else pytest.approx(kappa))


def test_two_reviewers_agree_over_the_masks_both_judged_blind():
    log = [
        *accepts("abcd"),
        decision("a", reviewer="bob"), decision("b", "reject", reviewer="bob", purpose="repeat"),
        decision("c", "skip", reviewer="bob"), decision("d", "reject", reviewer="bob", purpose="second_look"),
        decision("g0", purpose="gold"), decision("g0", reviewer="bob", purpose="gold"),
    ]  # fmt: skip
    (found,) = agreements(verdicts(log))
    assert (found.first, found.second, found.n, found.observed, found.kappa) == ("ada", "bob", 2, 0.5, 0)


def test_a_reviewers_first_verdict_is_compared_and_not_the_repeat():
    log = [decision("a"), decision("a", "reject", purpose="repeat"), decision("a", reviewer="bob")]
    (found,) = agreements(verdicts(log))
    assert (found.n, found.observed) == (1, 1)


def test_each_reviewer_agrees_with_himself_over_repeats():
    log = [*accepts("abc"), *accepts("ab", purpose="repeat"), decision("c", "reject", purpose="repeat")]
    log += [decision("z", purpose="repeat"), decision("x", reviewer="bob")]
    found = self_agreements(verdicts(log))
    assert list(found) == ["ada"]
    assert (found["ada"].n, found["ada"].observed, found["ada"].kappa) == (3, pytest.approx(2 / 3), 0)


# Pace


def at(minutes: float, **changes: object) -> Decision:
    return decision(f"at {minutes}", decided_at=NOON + timedelta(minutes=minutes), **changes)


def test_a_pause_of_more_than_five_minutes_is_no_work():
    log = [at(1), at(2), at(6.9), at(12), at(13)]
    assert [stretch.decisions for stretch in stretches(log)] == [3, 2]
    assert hours_by_reviewer(log)["ada"] == pytest.approx(
        (5.9 + 1 + 2 / 60) / 60
    )  # a second of looking before each first one


def test_reviewers_hours_add_up_and_one_decision_takes_its_own_time():
    log = [at(0, reviewer="ada"), at(0, reviewer="bob", decision_ms=3000), at(1, reviewer="bob")]
    assert hours_by_reviewer(log) == {"ada": pytest.approx(1 / 3600), "bob": pytest.approx(63 / 3600)}
    (total, _, _) = reviewer_figures(log, GoldSamples(), seed=SEED)
    assert total.hours == pytest.approx(64 / 3600)


def test_an_absurd_decision_time_lengthens_no_stretch_beyond_a_pause():
    assert hours_by_reviewer([at(0, decision_ms=2**31 - 1)])["ada"] == pytest.approx(5 / 60)


def test_pace_is_decisions_per_minute_of_work_in_each_bin():
    log = [at(seconds / 60) for seconds in range(0, 120, 2)]  # 30 a minute, for two minutes
    log += [at(30 + seconds / 60) for seconds in range(1, 31)]  # 60 a minute, for half a minute
    found = pace(log)
    assert [round(entry.per_minute) for entry in found if entry.start >= NOON] == [30, 31, 60]  # 30 in 58 s: 31
    assert {entry.width for entry in found} == {timedelta(minutes=1)}
    assert pace([]) == []


def test_a_long_review_has_few_bins():
    log = [at(60 * hour) for hour in range(24 * 40)]
    assert len(pace(log)) <= 60


def test_the_forecast_is_the_pace_so_far():
    log = [at(seconds / 60, purpose="work" if seconds % 4 else "gold") for seconds in range(0, 600, 2)]
    log += [at(10, reviewer="bob")]
    found = forecast(log, 900, NOON + timedelta(minutes=12))
    assert found.at_work == 2
    assert found.votes_per_hour == pytest.approx(151 / ((599 + 1) / 3600), rel=0.01)  # half of them were gold
    assert found.reviewer_hours == pytest.approx(900 / found.votes_per_hour)
    assert found.hours == pytest.approx(found.reviewer_hours / 2)


def test_with_nobody_at_work_no_time_on_the_clock_is_promised():
    found = forecast([at(0), at(1)], 10, NOON + timedelta(hours=3))
    assert found.reviewer_hours
    assert (found.at_work, found.hours) == (0, None)


def test_without_decisions_there_is_no_forecast():
    found = forecast([], 10, NOON)
    assert (found.votes_left, found.votes_per_hour, found.reviewer_hours, found.hours) == (10, None, None, None)
