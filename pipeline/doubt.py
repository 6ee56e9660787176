"""Doubt: how likely a reviewer rejects a mask, in [0, 1]. It orders the review queue, most doubtful first.

Logistic regression on features of the mask: one model for masks that hold probabilities, one for masks of 0 and 255
alone. Their numbers come from `python -m pipeline.fit_doubt`, where an oracle that knows the true mask stands in for
the reviewer; docs/pipeline.md names the masks they were fitted on and their quality on others. Left out, since they
added nothing there: disagreement beside unsure, pieces, boundary uncertainty. With a second opinion, a third model
combines the first one's doubt with the IoU of the two masks.

Cases too rare to fit get doubt by rule: almost no person, almost no background, a face outside the mask.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from manifests.samples.sample import Scores

ODD_FRACTION = (0.05, 0.95)  # person's share of the image; outside this range it is hardly a portrait
BAD_IOU = 0.9  # the oracle rejects masks of a lower person IoU
FACE_FRACTION = 0.4  # share of the face's box that the mask should cover
LEAST_UNSURE = 1e-3  # lower values are clamped to it


@dataclass(frozen=True, slots=True)
class Model:
    """Log-odds of a rejection: intercept + the sum of weight * feature."""

    intercept: float
    weights: dict[str, float]

    def prob(self, features: Mapping[str, float]) -> float:
        odds = self.intercept + sum(weight * features[name] for name, weight in self.weights.items())
        return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, odds))))


WITH_PROBABILITIES = "with probabilities"
WITHOUT = "of 0 and 255"
SECOND_OPINION = "with a second opinion"
MODELS: dict[str, Model] = {  # by the kind of mask
    WITH_PROBABILITIES: Model(6.236, {"unsure": 2.803, "averaged": -1.605, "holes": 0.323, "border": 3.682}),
    WITHOUT: Model(-1.524, {"person": -1.847, "border": 9.041}),
    SECOND_OPINION: Model(3.352, {"first": 0.68, "apart": 1.536}),
}


def doubt(
    scores: Scores,
    *,
    face_fraction: float | None,
    disagreement: float | None = None,
    second_iou: float | None = None,
    models: Mapping[str, Model] = MODELS,
) -> float:
    """Doubt about a mask with these scores that covers `face_fraction` of the box of the face it was cut around.

    `second_iou` is its person IoU with the mask of a network that had no part in making it, None without one.
    """
    fitted = models[kind_of(scores)].prob(features(scores, disagreement))
    if second_iou is not None:
        fitted = models[SECOND_OPINION].prob(second_features(fitted, second_iou))
    return max(fitted, odd_size(scores.person_fraction), face_left_out(face_fraction))


def kind_of(scores: Scores) -> str:
    return WITHOUT if scores.confidence is None else WITH_PROBABILITIES


def features(scores: Scores, disagreement: float | None) -> dict[str, float]:
    """Features of the model for this kind of mask, by name.

    unsure    log of (1 - confidence) / person_fraction: about the IoU that the probabilities expect to lose
    averaged  1 where several predictions were averaged, which lowers the confidence
    holes     log of 1 + holes
    border    person's share of the left, upper and right border
    person    log-odds of the person's share of the image
    """
    low, high = ODD_FRACTION
    share = min(high, max(low, scores.person_fraction))
    if scores.confidence is None:
        return {"person": math.log(share / (1.0 - share)), "border": scores.border_fraction}
    return {
        "unsure": math.log(max(LEAST_UNSURE, (1.0 - scores.confidence) / share)),
        "averaged": float(disagreement is not None),
        "holes": math.log1p(scores.holes),
        "border": scores.border_fraction,
    }


def second_features(first: float, second_iou: float) -> dict[str, float]:
    """Features of the second-opinion model, by name.

    first  log-odds of the doubt by the mask's own model
    apart  log of 1 - IoU of the two masks
    """
    sure = min(1.0 - LEAST_UNSURE, max(LEAST_UNSURE, first))
    return {"first": math.log(sure / (1.0 - sure)), "apart": math.log(max(LEAST_UNSURE, 1.0 - second_iou))}


def odd_size(person_fraction: float) -> float:
    """0 within ODD_FRACTION, rising to 1 for an empty mask and for one without background."""
    low, high = ODD_FRACTION
    return max(0.0, (low - person_fraction) / low, (person_fraction - high) / (1.0 - high))


def face_left_out(face_fraction: float | None) -> float:
    """0 from FACE_FRACTION on, 1 where the mask covers nothing of the face; 0 without a known face."""
    return 0.0 if face_fraction is None else max(0.0, 1.0 - face_fraction / FACE_FRACTION)
