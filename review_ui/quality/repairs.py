"""Repairs of each reviewer: how many, how long, and how far they moved the masks."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from manifests.decisions.decision import Decision


@dataclass(frozen=True, slots=True)
class RepairFigures:
    """Repairs of one reviewer (None: of all), of the `accepted` masks at work and second looks.

    `seconds` is the median from image painted to accept, `iou` the median and `least_iou` the least IoU of a repaired
    mask with the mask before; None where none was timed or measured.
    """

    reviewer: str | None
    repairs: int
    accepted: int
    seconds: float | None
    iou: float | None
    least_iou: float | None


def repair_figures(decisions: Sequence[Decision]) -> list[RepairFigures]:
    """Figures in total, then per reviewer by name, of those who repaired a mask; empty without repairs.

    `decisions` are last verdicts (`reviewer_quality.verdicts`).
    """
    by_reviewer: dict[str, list[Decision]] = defaultdict(list)
    for decision in decisions:
        if decision.is_vote and decision.verdict == "accept":
            by_reviewer[decision.reviewer].append(decision)
    own = [_figures(name, accepts) for name, accepts in sorted(by_reviewer.items()) if any(map(_is_repair, accepts))]
    if not own:
        return []
    return [_figures(None, [decision for accepts in by_reviewer.values() for decision in accepts]), *own]


def _is_repair(decision: Decision) -> bool:
    return decision.edited_mask_sha256 is not None


def _figures(reviewer: str | None, accepts: Sequence[Decision]) -> RepairFigures:
    repairs = [decision for decision in accepts if _is_repair(decision)]
    seconds = [decision.decision_ms / 1000 for decision in repairs if decision.decision_ms is not None]
    ious = [decision.edit_iou for decision in repairs if decision.edit_iou is not None]
    return RepairFigures(
        reviewer,
        repairs=len(repairs),
        accepted=len(accepts),
        seconds=float(np.median(seconds)) if seconds else None,
        iou=float(np.median(ious)) if ious else None,
        least_iou=min(ious, default=None),
    )
