"""Doubt: how likely a reviewer rejects a mask, in [0, 1]. It orders the review queue, most doubtful first.

Each cue below is in [0, 1], and they combine like independent causes: doubt = 1 - product of (1 - cue).

    unsure         (1 - confidence) / person_fraction: about the IoU that the probabilities themselves expect to lose
    disagreement   1 - the mean IoU of several opinions with their mean (0 where there is one opinion)
    face outside   what the mask leaves out of the face's box beyond a fifth: corners are hair and background
    odd size       the person covers less of the portrait than ODD_FRACTION's first number, or more than its second

A mask of 0 and 255 alone says nothing of its certainty, so its shape has to:

    in pieces      EACH_PIECE for each component beyond the first, and for each hole
    at the border  person's share of the left, upper and right border beyond one half, half of it

Chosen on 281 portraits and ten teachers by the area under the ROC curve for "person IoU below 0.9", which
`python -m pipeline.evaluate` prints for others. Pieces, border and finer limits of size made it worse where there are
probabilities.
"""

import math

from manifests.samples import Scores

ODD_FRACTION = (0.05, 0.95)
FACE_CORE_FRACTION = 0.8  # of the box
EACH_PIECE = 0.02
FREE_BORDER_FRACTION = 0.5


def doubt(scores: Scores, *, face_fraction: float | None, disagreement: float | None = None) -> float:
    """Doubt about a mask with these scores that covers `face_fraction` of the box of the face it was cut around."""
    return 1.0 - math.prod(1.0 - min(1.0, cue) for cue in cues(scores, face_fraction, disagreement).values())


def cues(scores: Scores, face_fraction: float | None, disagreement: float | None) -> dict[str, float]:
    """By name, each from 0 up; what is above 1 counts as 1."""
    low, high = ODD_FRACTION
    share = scores.person_fraction
    common = {
        "disagreement": disagreement or 0.0,
        "face outside": 0.0 if face_fraction is None else max(0.0, 1.0 - face_fraction / FACE_CORE_FRACTION),
        "odd size": max(0.0, (low - share) / low, (share - high) / (1.0 - high)),
    }
    if scores.confidence is not None:
        return common | {"unsure": (1.0 - scores.confidence) / max(share, low)}
    beyond = max(0.0, scores.border_fraction - FREE_BORDER_FRACTION) / (1.0 - FREE_BORDER_FRACTION)
    return common | {
        "in pieces": EACH_PIECE * (max(0, scores.components - 1) + scores.holes),
        "at the border": 0.5 * beyond,
    }
