"""False accepts of damaged gold, from the decision log's database.

The review page makes the gold samples and keeps them in the table `gold_samples` (review_ui/quality/gold.py); of it
the mask's key and `right_verdict` are read here.
"""

from collections.abc import Iterable, Set

import sqlalchemy as sa

from manifests.decisions.decision import Decision, MaskKey
from manifests.decisions.error_bound import GoldCounts
from manifests.decisions.log import DecisionLog

_GOLD = sa.table("gold_samples", sa.column("sample_id"), sa.column("mask_sha256"), sa.column("right_verdict"))


def gold_counts(
    log: DecisionLog, decisions: Iterable[Decision], reviewers: Set[str] | None = None
) -> GoldCounts | None:
    """Count verdicts of `reviewers` (None: all) on damaged gold, each person's last on each mask; None without any."""
    damaged = _damaged_gold(log)
    last = {
        (decision.reviewer, decision.key): decision.verdict_as_shown
        for decision in decisions
        if decision.purpose == "gold"
        and decision.verdict != "skip"
        and (reviewers is None or decision.reviewer in reviewers)
        and decision.key in damaged
    }
    accepts = sum(verdict == "accept" for verdict in last.values())
    return GoldCounts(accepts, len(last)) if last else None


def _damaged_gold(log: DecisionLog) -> set[MaskKey]:
    """The gold masks that must be rejected; none before the page has made any."""
    with log.reading() as connection:
        if not sa.inspect(connection).has_table(_GOLD.name):
            return set()
        query = sa.select(_GOLD.c.sample_id, _GOLD.c.mask_sha256).where(_GOLD.c.right_verdict == "reject")
        return {(sample_id, mask_sha256) for sample_id, mask_sha256 in connection.execute(query)}
