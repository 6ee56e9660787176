"""Flag accepted masks that a computed score doubts, for a second look.

A score is not a verdict: the rows stay accepted, in every version, until a lead has looked. A flag is an event of the
decision log, the same as a reviewer's `f`, and publishing ignores it; the review page puts a flagged mask into the
second look unless it got a vote since. Rows of origin ground_truth are never reviewed: callers leave them out.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from manifests.decisions.decision import FLAG, LABEL_QUALITY, Decision, MaskKey
from manifests.decisions.log import DecisionLog

_NAMESPACE = uuid.UUID("2a4c5a37-6a0e-4b0b-8f0a-0e6f3b1f7c55")


@dataclass(frozen=True, slots=True)
class Asked:
    """Counts of masks flagged now, and of those flagged before or settled by a second look already."""

    flagged: int
    known: int


def ask_for_second_look(log: DecisionLog, masks: Sequence[MaskKey], *, now: datetime) -> Asked:
    """Flag `masks` in their order; each is flagged once, whatever the number of calls and scores."""
    known = {decision.key for decision in log.standing() if decision.purpose == "second_look" or decision.is_flag}
    flags = [
        Decision(
            decision_id=str(uuid.uuid5(_NAMESPACE, f"{sample_id}:{mask_sha256}")),
            sample_id=sample_id,
            mask_sha256=mask_sha256,
            verdict="skip",
            reviewer=LABEL_QUALITY,
            decided_at=now,
            reason=FLAG,
        )
        for sample_id, mask_sha256 in masks
        if (sample_id, mask_sha256) not in known
    ]
    log.append(flags)
    return Asked(len(flags), len(masks) - len(flags))
