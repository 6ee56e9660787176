"""Acceptance without a look: parts of the queue, each with an upper limit on its share of wrong masks.

The queue is the pending rows of a version whose doubt is known; those with two masks to choose from are left out. Its
parts are the least doubtful ones (QUANTILES of doubt). People judge masks of a part in a random order (audit.py); the
verdicts on a prefix of that order bound the wrong masks among those that nobody has judged (error_bound.py).

The limits of all parts hold together at CONFIDENCE, after each look: each part has an equal share of the risk
(Bonferroni). So the audit may stop as soon as a part holds, go on with a larger or smaller part at any time, and serve
several errors asked for. Where reviewers' false accepts on gold are known, GOLD_RISK of each share is for
`missed_limit`, the rest for `wrong_limit`.

Doubt orders the masks, sets the prior and predicts how long the audit takes: the limits hold even where doubt is wrong.
Still, an audit that contradicts doubt is refused: such data are unlike those that doubt was fitted on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from manifests.decisions.audit import Flags, Places, Verdicts, audit_order, audited
from manifests.decisions.decision import MaskKey
from manifests.decisions.error_bound import (
    GoldCounts,
    Prior,
    chance_of_at_least,
    looks_needed,
    missed_limit,
    wrong_limit,
)
from manifests.decisions.pairs import PAIR_COLUMNS, waits_for_choice
from manifests.errors import UserError
from manifests.store.manifest import Manifest

CONFIDENCE = 0.95
QUANTILES = (0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # of the queue's doubt: the parts, fixed before the audit
GOLD_RISK = 0.2  # share of the risk that is for reviewers' false accepts
DOUBT_LOOKS = 100  # of a forecast
MISFIT_CHANCE = 0.001  # an audit that is less likely than this under doubt contradicts it
PRIOR_MEAN = (0.0005, 0.0025)  # doubt's share of wrong masks is brought between these: such audits end soon

Doubts = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Queue:
    """Pending masks of known doubt.

    No policy accepts a mask without doubt, counted by `unrated`, or one of two masks, counted by `paired`.
    """

    keys: list[MaskKey]
    doubts: Doubts
    unrated: int
    paired: int = 0

    @classmethod
    def of(cls, manifest: Manifest) -> "Queue":
        """Read the queue of a version; UserError when no pending row has doubt."""
        pending = manifest.read(["sample_id", "mask_sha256", "doubt", *PAIR_COLUMNS], only={"status": "pending"})
        table = pending.filter(pc.invert(waits_for_choice(pending)))
        rated = table.filter(pc.is_valid(table["doubt"]))
        left_out = table.num_rows - rated.num_rows, pending.num_rows - table.num_rows
        if not rated.num_rows:
            raise UserError(
                f"expected pending rows with one mask and doubt in {manifest.path}, found {left_out[0]:,} without "
                f"doubt and {left_out[1]:,} with two masks; label images with python -m pipeline.generate, which rates "
                "each mask, or choose one of two masks on the review page"
            )
        keys = list(zip(rated["sample_id"].to_pylist(), rated["mask_sha256"].to_pylist(), strict=True))
        return cls(keys, rated["doubt"].to_numpy().astype(np.float32), *left_out)

    def __len__(self) -> int:
        return len(self.keys)

    def order(self, seed: int) -> Places:
        """Return the places of all masks in the audit's order."""
        return audit_order([key[0] for key in self.keys], [key[1] for key in self.keys], seed=seed)

    def parts(self) -> list["Part"]:
        """Return the parts, the least doubtful first; equal ones once."""
        limits = np.unique(np.quantile(self.doubts, QUANTILES, method="inverted_cdf"))
        inside = [self.doubts <= limit for limit in limits]
        means = [float(self.doubts[flags].mean(dtype=np.float64)) for flags in inside]
        return [Part(*fields) for fields in zip(limits, map(_count, inside), means, strict=True)]


@dataclass(frozen=True, slots=True)
class Part:
    """The `rows` masks of a doubt of at most `max_doubt`; `predicted` is their mean doubt."""

    max_doubt: np.float32
    rows: int
    predicted: float

    def __str__(self) -> str:
        """The limit of doubt, as few digits as name this float32."""
        return str(self.max_doubt)

    @property
    def prior(self) -> Prior:
        low, high = PRIOR_MEAN
        return Prior.of_mean(min(high, max(low, self.predicted)))


@dataclass(frozen=True, slots=True)
class Bound:
    """The audit of one part.

    `looked` are the places of its audited masks in the queue, `wrong` of them are wrong. `rest` are the places of its
    masks without a verdict; at most `limit` of those are wrong.
    """

    part: Part
    looked: Places
    wrong: int
    rest: Places
    limit: int

    @property
    def share_limit(self) -> float:
        """Upper limit of the share of wrong masks in the rest; 1 without a rest."""
        return min(1.0, self.limit / len(self.rest)) if len(self.rest) else 1.0

    def holds(self, max_error: float) -> bool:
        return self.limit <= max_error * len(self.rest) and len(self.rest) > 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """How many looks the audit of a part takes in all: without a wrong mask, and with the share expected now."""

    part: Part
    expected: float
    looks_least: int
    looks_likely: int

    @property
    def saved(self) -> int:
        """Masks that likely need no look."""
        return self.part.rows - self.looks_likely


def bounds(
    queue: Queue,
    verdicts: Verdicts,
    order: Places,
    *,
    gold: GoldCounts | None = None,
    open_rows: Flags | None = None,
) -> list[Bound]:
    """Return the bounds of all parts; they hold together at CONFIDENCE.

    `order` is the audit's, `open_rows` (N,) flags masks of the queue that still wait (default: all).
    """
    waiting = ~verdicts.judged if open_rows is None else ~verdicts.judged & open_rows
    parts = queue.parts()
    risk = (1.0 - CONFIDENCE) / len(parts)
    found = []
    for part in parts:
        inside = queue.doubts <= part.max_doubt
        looked = audited(verdicts.judged, order[inside[order]])
        wrong, look_risk = _count(verdicts.wrong[looked]), risk * (1 - GOLD_RISK) if gold else risk
        limit = wrong_limit(rows=part.rows, looks=len(looked), wrong=wrong, prior=part.prior, risk=look_risk)
        missed = missed_limit(limit, gold, rows=part.rows, risk=risk * GOLD_RISK) if gold else 0
        left = max(0, limit - _count(inside & verdicts.wrong)) + missed
        found.append(Bound(part, looked, wrong, np.flatnonzero(waiting & inside), left))
    return found


def largest_that_holds(found: Sequence[Bound], max_error: float) -> Bound | None:
    """Return the bound of the most masks that need no look; None when no part holds."""
    holding = [bound for bound in found if bound.holds(max_error)]
    return max(holding, key=lambda bound: len(bound.rest), default=None)


def forecasts(
    queue: Queue, found: Sequence[Bound], *, max_error: float, gold: GoldCounts | None = None
) -> list[Forecast]:
    """Return how long the audit of each part likely takes.

    The share of wrong masks expected in a part is doubt's, scaled by what the longest audit has found; it weighs as
    much as DOUBT_LOOKS looks beside those at the part itself.
    """
    longest = max(found, key=lambda bound: len(bound.looked))
    predicted = queue.doubts[longest.looked].sum(dtype=np.float64)
    scale = (longest.wrong + 0.5) / (predicted + 0.5)
    risk = (1.0 - CONFIDENCE) / len(found)
    return [_forecast(bound, scale, risk, max_error, gold) for bound in found]


def next_part(expected: Sequence[Forecast]) -> Forecast:
    """Return the part to audit: the one that likely saves most looks.

    An audit that takes more than half of its part saves too little. Where each does, it is the part of half the queue:
    what is found there shows how far doubt is off.
    """
    worth = [forecast for forecast in expected if forecast.saved > forecast.looks_likely]
    if worth:
        return max(worth, key=lambda forecast: forecast.saved)
    return next(forecast for forecast in expected if 2 * forecast.part.rows >= expected[-1].part.rows)


def require_fit(queue: Queue, bound: Bound) -> None:
    """UserError when the audit finds so many wrong masks that doubt can't be right."""
    doubts = queue.doubts[bound.looked].astype(np.float64)
    chance = chance_of_at_least(bound.wrong, doubts)
    if chance < MISFIT_CHANCE:
        raise UserError(
            f"expected about {doubts.sum():.1f} wrong masks among the {len(doubts):,} audited, as doubt predicts, "
            f"found {bound.wrong:,} (chance {chance:.1g}): the data are unlike those that doubt was fitted on; fit it "
            "on masks like these (python -m pipeline.fit_doubt), or pass --allow-misfit: the limit holds all the same"
        )


def _forecast(bound: Bound, scale: float, risk: float, max_error: float, gold: GoldCounts | None) -> Forecast:
    part, looks, detectable_error = bound.part, len(bound.looked), max_error
    if gold:
        wrong = max(1, int(max_error * part.rows))
        missed = missed_limit(wrong, gold, rows=part.rows, risk=risk * GOLD_RISK)
        detectable_error, risk = max_error * wrong / (wrong + missed), risk * (1 - GOLD_RISK)
    expected = (bound.wrong + DOUBT_LOOKS * min(1.0, scale * part.predicted)) / (looks + DOUBT_LOOKS)
    least, likely = (
        looks_needed(rows=part.rows, max_error=detectable_error, share=share, prior=part.prior, risk=risk)
        for share in (0.0, expected)
    )
    return Forecast(part, expected, least, likely)


def _count(flags: Flags) -> int:
    return int(np.count_nonzero(flags))
