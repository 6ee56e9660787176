"""Agreement of a mask with a network that was not fitted on it: low is suspicious.

`softmin` is cleanlab's score (Lad and Mueller 2023): for each pixel the network's probability of its label, then
the mean of these with weights softmax((1 - p) / 0.1), so that the worst pixels count most. `iou` is the person IoU
of the mask with the network's own.
"""

from collections.abc import Callable

import numpy as np

from manifests.errors import UserError, install_extra
from manifests.pixels.masks import PERSON_PROB, Mask
from manifests.pixels.metrics import mask_iou
from manifests.pixels.onnx_segmenter import Prob


def softmin_score(prob: Prob, mask: Mask) -> float:
    """Person probability (H, W), mask bool (H, W) -> cleanlab's label quality in [0, 1].

    UserError when cleanlab isn't installed.
    """
    try:
        from cleanlab.segmentation.rank import get_label_quality_scores
    except ModuleNotFoundError as error:
        raise UserError(
            f"expected the package {error.name}, found none; use --score iou, or {install_extra('label-quality')}"
        ) from error
    probs = np.stack([1.0 - prob, prob])[None].astype(np.float64)  # (1, 2, H, W)
    scores, _ = get_label_quality_scores(mask.astype(np.int64)[None], probs, method="softmin", verbose=False)
    return float(scores[0])


def iou_score(prob: Prob, mask: Mask) -> float:
    """Person IoU of the mask with the pixels that the network marks as person."""
    return mask_iou(prob >= PERSON_PROB, mask)


SCORES: dict[str, Callable[[Prob, Mask], float]] = {"softmin": softmin_score, "iou": iou_score}
