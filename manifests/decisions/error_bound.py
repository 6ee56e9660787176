"""Upper limits on the wrong masks in a part of the queue, from an audit that may stop after any look.

The audit draws masks of the part at random, without replacement. `wrong_limit` is the upper end of a confidence
sequence for the number of wrong masks in the whole part (Waudby-Smith and Ramdas 2020, "Confidence sequences for
sampling without replacement", the prior-posterior-ratio martingale): for the true number m the ratio

    evidence(m) = probability of the audit under a beta-binomial prior on m / its probability under m

is a martingale that starts at 1, so it ever reaches 1 / risk with a probability of `risk` at most (Ville's
inequality). Every m whose evidence is below 1 / risk stays possible. This holds after each look at once, for parts of
any size, and for any prior that is chosen before the first look; a prior near the truth only makes the audit shorter.

`missed_limit` adds the wrong masks that reviewers accept, from their false accepts on gold.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, gammaln
from scipy.stats import hypergeom

Floats = npt.NDArray[np.float64]

_LOOKS_AT_ONCE = 1024  # of a forecast


@dataclass(frozen=True, slots=True)
class Prior:
    """Beta distribution of the share of wrong masks, before the audit."""

    wrong: float
    right: float

    @classmethod
    def of_mean(cls, share: float) -> "Prior":
        """Return the prior that weighs as much as one wrong mask and has the mean `share`, in (0, 1)."""
        return cls(1.0, 1.0 / share - 1.0)


@dataclass(frozen=True, slots=True)
class GoldCounts:
    """Damaged gold: how many verdicts reviewers gave on it, and how many of these were false accepts."""

    false_accepts: int
    verdicts: int


def log_evidence(
    wrong_rows: float | Floats, *, rows: int, looks: float | Floats, wrong: float | Floats, prior: Prior
) -> Floats:
    """Return the natural logarithm of the evidence against `wrong_rows` wrong masks among `rows`.

    `looks` masks were seen, `wrong` of them wrong. Arrays broadcast; `wrong` may be an expected, fractional number.
    Requires wrong <= wrong_rows <= rows - (looks - wrong).
    """
    right, right_rows = looks - wrong, rows - wrong_rows
    under_prior = betaln(prior.wrong + wrong, prior.right + right) - betaln(prior.wrong, prior.right)
    under_number = (
        gammaln(wrong_rows + 1)
        - gammaln(wrong_rows - wrong + 1)
        + gammaln(right_rows + 1)
        - gammaln(right_rows - right + 1)
        - gammaln(rows + 1)
        + gammaln(rows - looks + 1)
    )
    return np.asarray(under_prior - under_number, np.float64)


def wrong_limit(*, rows: int, looks: int, wrong: int, prior: Prior, risk: float) -> int:
    """Return the upper limit of wrong masks among all `rows` of the part, those found in the audit included.

    The true number is above the limit after some look, whichever, with a probability of `risk` at most.
    """
    possible = rows - (looks - wrong)
    low = wrong if not looks else min(possible, max(wrong, -(-wrong * (rows + 1) // looks)))  # the likeliest number
    high = possible  # from `low` on the evidence grows
    while low < high:
        middle = (low + high + 1) // 2
        if log_evidence(middle, rows=rows, looks=looks, wrong=wrong, prior=prior) < -np.log(risk):
            low = middle
        else:
            high = middle - 1
    return low


def missed_limit(detectable: int, gold: GoldCounts, *, rows: int, risk: float) -> int:
    """Return the upper limit of wrong masks among `rows` that reviewers accept, beside `detectable` rejected ones.

    Assumes that gold and the part's wrong masks are equally hard to see. Given how many of both together are missed,
    the number missed among gold is hypergeometric; the limit is the largest number that the false accepts on gold
    don't contradict at `risk` (Thatcher 1964, "Relationships between Bayesian and confidence limits for predictions").
    """
    low, high = 0, rows
    while low < high:
        middle = (low + high + 1) // 2
        total, missed = gold.verdicts + detectable + middle, gold.false_accepts + middle
        if hypergeom.cdf(gold.false_accepts, total, missed, gold.verdicts) > risk:
            low = middle
        else:
            high = middle - 1
    return low


def looks_needed(*, rows: int, max_error: float, share: float, prior: Prior, risk: float) -> int:
    """Return after how many looks the audit ends if each finds the same `share` of wrong masks; `rows` if never.

    It ends when of the masks that no look has reached at most the share `max_error` can be wrong.
    """
    if share >= max_error:
        return rows
    for first in range(1, rows, _LOOKS_AT_ONCE):
        looks = np.arange(first, min(first + _LOOKS_AT_ONCE, rows), dtype=np.float64)
        wrong = share * looks
        refuted = np.floor(max_error * (rows - looks)) + wrong + 1  # the smallest number that must be ruled out
        possible = rows - (looks - wrong)
        tested = np.minimum(refuted, possible)
        evidence = log_evidence(tested, rows=rows, looks=looks, wrong=wrong, prior=prior)
        likeliest = wrong * (rows + 1) / looks
        done = (refuted > possible) | ((evidence >= -np.log(risk)) & (refuted >= likeliest))
        if done.any():
            return int(looks[np.argmax(done)])
    return rows


def chance_of_at_least(wrong: int, doubts: Floats) -> float:
    """Return the probability that at least `wrong` of masks with these doubts are wrong, if doubt is calibrated.

    Exact (Poisson binomial distribution), mask by mask.
    """
    if not wrong:
        return 1.0
    fewer = np.zeros(wrong)  # probability of 0 .. wrong - 1 wrong masks
    fewer[0] = 1.0
    for doubt in doubts:
        fewer[1:] = fewer[1:] * (1.0 - doubt) + fewer[:-1] * doubt
        fewer[0] *= 1.0 - doubt
    return float(max(0.0, 1.0 - fewer.sum()))
