"""The limits of an audit: numbers worked out by hand, and coverage by simulation."""

from math import ceil, comb, log

import numpy as np
import pytest

from manifests.decisions.error_bound import (
    GoldCounts,
    Prior,
    chance_of_at_least,
    log_evidence,
    looks_needed,
    missed_limit,
    wrong_limit,
)

UNIFORM = Prior(1.0, 1.0)


def evidence(wrong_rows: int, *, rows: int, looks: int, wrong: int) -> float:
    return float(np.exp(log_evidence(wrong_rows, rows=rows, looks=looks, wrong=wrong, prior=UNIFORM)))


def test_evidence_is_the_ratio_worked_out_by_hand() -> None:
    """Two right masks of four, two wrong: the uniform prior gives 1/3, two wrong ones 2/4 x 1/3 = 1/6."""
    assert evidence(2, rows=4, looks=1, wrong=0) == pytest.approx(1.0)  # 1/2 over 2/4
    assert evidence(2, rows=4, looks=2, wrong=0) == pytest.approx(2.0)  # 1/3 over 1/6
    assert evidence(2, rows=4, looks=2, wrong=1) == pytest.approx(0.5)  # 1/6 over 2/4 x 2/3


def test_evidence_starts_at_one_and_keeps_its_mean() -> None:
    """A martingale: the mean over the next mask, of 3 wrong among 7, is the evidence before it."""
    for looks, wrong in ((0, 0), (1, 0), (2, 1), (3, 2)):
        left = (3 - wrong) / (7 - looks)
        after = [evidence(3, rows=7, looks=looks + 1, wrong=wrong + more) for more in (0, 1)]
        assert (1 - left) * after[0] + left * after[1] == pytest.approx(evidence(3, rows=7, looks=looks, wrong=wrong))
    assert evidence(3, rows=7, looks=0, wrong=0) == 1.0


def test_the_limit_is_the_largest_number_whose_evidence_is_below_one_over_the_risk() -> None:
    """Of 4 masks 2 are right: evidence 1/3 against none, 2/3 against 1, 2 against 2 wrong ones; 3 can't be."""
    two_right = {"rows": 4, "looks": 2, "wrong": 0, "prior": UNIFORM}
    assert wrong_limit(**two_right, risk=0.45) == 2  # 2 < 1 / 0.45
    assert wrong_limit(**two_right, risk=0.55) == 1
    assert wrong_limit(rows=4, looks=0, wrong=0, prior=UNIFORM, risk=0.05) == 4
    assert wrong_limit(rows=4, looks=4, wrong=1, prior=UNIFORM, risk=0.05) == 1
    assert wrong_limit(rows=4, looks=3, wrong=3, prior=UNIFORM, risk=0.05) == 4


def test_without_a_wrong_mask_the_audit_needs_at_least_what_a_fixed_sample_needs() -> None:
    """A prior that expects next to none costs next to nothing: 299 looks bound 1 % at 95 %, log 0.05 / log 0.99."""
    sure = Prior.of_mean(1e-9)
    needed = looks_needed(rows=10_000_000, max_error=0.01, share=0.0, prior=sure, risk=0.05)
    assert needed == ceil(log(0.05) / log(0.99)) == 299


def test_of_few_masks_the_looks_are_counted_exactly() -> None:
    """20 masks, none of the rest may be wrong: 19 right ones refute a single wrong one with 1 / (1 - 19/20) = 20."""
    sure = Prior.of_mean(1e-9)
    assert looks_needed(rows=20, max_error=0.01, share=0.0, prior=sure, risk=0.0501) == 19
    assert looks_needed(rows=20, max_error=0.01, share=0.0, prior=sure, risk=0.11) == 18  # 1 / (1 - 18/20) = 10


def test_looks_needed_are_all_where_too_many_are_wrong() -> None:
    assert looks_needed(rows=5000, max_error=0.01, share=0.01, prior=Prior.of_mean(0.005), risk=0.05) == 5000


def test_the_audit_ends_where_the_limit_says_so() -> None:
    prior, rows = Prior.of_mean(0.002), 4000
    needed = looks_needed(rows=rows, max_error=0.02, share=0.0, prior=prior, risk=0.05)

    def bounded(looks: int) -> bool:
        return wrong_limit(rows=rows, looks=looks, wrong=0, prior=prior, risk=0.05) <= 0.02 * (rows - looks)

    assert bounded(needed)
    assert not bounded(needed - 1)


def test_misses_are_predicted_as_the_hypergeometric_tail_says() -> None:
    """Of 9 gold masks 0 are missed, 1 is rejected: x misses fall among 1 + x others: C(1 + x, x) / C(10 + x, x)."""
    gold = GoldCounts(0, 9)
    chances = [comb(1 + missed, missed) / comb(10 + missed, missed) for missed in (1, 2)]
    assert chances == [pytest.approx(2 / 11), pytest.approx(3 / 66)]
    assert missed_limit(1, gold, rows=100, risk=0.05) == 1
    assert missed_limit(1, gold, rows=100, risk=0.04) == 2
    assert missed_limit(1, gold, rows=100, risk=0.2) == 0


def test_who_accepts_all_damaged_gold_may_miss_every_mask() -> None:
    assert missed_limit(3, GoldCounts(5, 5), rows=70, risk=0.01) == 70


def test_the_chance_under_doubt_is_worked_out_mask_by_mask() -> None:
    doubts = np.array([0.5, 0.2])
    assert chance_of_at_least(0, doubts) == 1.0
    assert chance_of_at_least(1, doubts) == pytest.approx(1 - 0.5 * 0.8)
    assert chance_of_at_least(2, doubts) == pytest.approx(0.5 * 0.2)


@pytest.mark.parametrize("prior", [Prior.of_mean(0.001), Prior.of_mean(0.3)], ids=["far", "near"])
def test_the_limit_holds_after_every_look_at_once(prior: Prior) -> None:
    """In at most 20 % of 100 audits the true number, 6 of 30, is ever above the limit (and 2.3 standard deviations)."""
    rng, broken = np.random.default_rng(7), 0
    for _ in range(100):
        found = np.cumsum(rng.permutation(30) < 6)
        limits = [
            wrong_limit(rows=30, looks=looks, wrong=int(found[looks - 1]), prior=prior, risk=0.2)
            for looks in range(1, 31)
        ]
        broken += min(limits) < 6
    assert broken <= 100 * (0.2 + 2.3 * (0.2 * 0.8 / 100) ** 0.5)
