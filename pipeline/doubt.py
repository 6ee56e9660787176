"""Doubt: how likely a reviewer rejects a mask, in [0, 1]. It orders the review queue, most doubtful first.

Each cue below is in [0, 1], and they combine like independent causes: doubt = 1 - product of (1 - cue).

    face outside   share of the face box that the mask leaves out: a face is always person
    unsure         2 * (1 - confidence), the mean distance from certainty (0 for hard masks)
    unsure edge    half the boundary uncertainty: some of it is hair, which is no fault
    odd size       the person covers less of the portrait than TYPICAL_FRACTION's ends, or more
"""

import math

from manifests.samples import Scores

TYPICAL_FRACTION = (0.20, 0.85)  # 5 % and 95 % quantile of person shares in real portraits with masks, rounded out


def doubt(scores: Scores, *, face_share: float) -> float:
    """Doubt about a mask with these scores that covers `face_share` of the box of the face it was cut around."""
    low, high = TYPICAL_FRACTION
    cues = [
        1.0 - face_share,
        2.0 * (1.0 - (scores.confidence if scores.confidence is not None else 1.0)),
        0.5 * (scores.boundary_uncertainty or 0.0),
        max(0.0, (low - scores.person_fraction) / low, (scores.person_fraction - high) / (1.0 - high)),
    ]
    return 1.0 - math.prod(1.0 - min(1.0, cue) for cue in cues)
