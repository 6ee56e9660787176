"""Ask people to look again at masks that they accepted, because a computed score doubts them.

A score is no verdict: the rows stay accepted, in every version, until a lead has looked. So what is written is a flag
in the decision log, the same event as a reviewer's `f`, which publishing leaves alone; the review page puts a flagged
mask that nobody has voted on since into the second look. Rows of origin ground_truth are never reviewed, so there is
nobody to ask about them.
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
    """Flag `masks` in their order. One mask is asked about once, however often and by whatever score."""
    answered = {decision.key for decision in log.standing() if decision.purpose == "second_look" or decision.is_flag}
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
        if (sample_id, mask_sha256) not in answered
    ]
    log.append(flags)
    return Asked(len(flags), len(masks) - len(flags))
