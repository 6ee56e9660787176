"""Doubt: how likely a reviewer rejects a mask, in [0, 1]. It orders the review queue, most doubtful first.

Each cue below is in [0, 1], and they combine like independent causes: doubt = 1 - product of (1 - cue).

    face outside   share of the face box that the mask leaves out: a face is always person
    unsure         2 * (1 - confidence), the mean distance from certainty (0 for hard masks)
    unsure edge    half the boundary uncertainty: some of it is hair, which is no fault
    disagreement   1 - the mean IoU of several opinions with their mean (0 where there is one opinion)
    odd size       the person covers less of the portrait than TYPICAL_FRACTION's ends, or more
    in pieces      EACH_PIECE for each component beyond the first, and for each hole
    at the border  share of the left, upper and right border that is person, beyond TYPICAL_BORDER
"""

import math

from manifests.samples import Scores

TYPICAL_FRACTION = (0.20, 0.85)  # 5 % and 95 % quantile of person shares in real portraits with masks, rounded out
TYPICAL_BORDER = 0.25
EACH_PIECE = 0.05


def doubt(scores: Scores, *, face_fraction: float | None, disagreement: float | None = None) -> float:
    """Doubt about a mask with these scores that covers `face_fraction` of the box of the face it was cut around."""
    return 1.0 - math.prod(1.0 - min(1.0, cue) for cue in cues(scores, face_fraction, disagreement).values())


def cues(scores: Scores, face_fraction: float | None, disagreement: float | None) -> dict[str, float]:
    """By name, each from 0 up; what is above 1 counts as 1."""
    low, high = TYPICAL_FRACTION
    share = scores.person_fraction
    return {
        "face outside": 1.0 - face_fraction if face_fraction is not None else 0.0,
        "unsure": 2.0 * (1.0 - (scores.confidence if scores.confidence is not None else 1.0)),
        "unsure edge": 0.5 * (scores.boundary_uncertainty or 0.0),
        "disagreement": disagreement or 0.0,
        "odd size": max(0.0, (low - share) / low, (share - high) / (1.0 - high)),
        "in pieces": EACH_PIECE * (max(0, scores.components - 1) + scores.holes),
        "at the border": max(0.0, (scores.border_fraction - TYPICAL_BORDER) / (1.0 - TYPICAL_BORDER)),
    }
