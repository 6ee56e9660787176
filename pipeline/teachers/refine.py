"""A mask's edge, refined by the image's colours: a guided filter, or GrabCut within the doubtful band."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from manifests.pixels.geometry import Pixels
from pipeline.teachers.grabcut import cut_between
from pipeline.teachers.teacher import Portrait, Prediction, Prob, Teacher

GUIDE_RADIUS_FRACTION = 0.01  # of the longer side: about a network pixel at 1/4 resolution, enlarged to the portrait
GUIDE_EPSILON = 1e-3  # variance of grey levels in [0, 1] below which the window counts as flat (He et al. 2013)
BAND_PROBS = (0.05, 0.95)  # GrabCut decides what lies between


def guided(rgb: Pixels, prob: Prob) -> Prob:
    """RGB (H, W, 3), probability (H, W) -> probability (H, W) that follows the image's edges.

    The guided filter, He et al. 2013, with the grey image as guide: within every window the probability is a linear
    function of the grey level.
    """
    guide = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) / 255.0, np.float32)
    radius_px = max(2, round(GUIDE_RADIUS_FRACTION * max(prob.shape)))

    def mean(values: npt.NDArray[Any]) -> Prob:
        return np.asarray(cv2.blur(values, (2 * radius_px + 1, 2 * radius_px + 1)), np.float32)

    mean_guide, mean_prob = mean(guide), mean(prob)
    covariance = mean(guide * prob) - mean_guide * mean_prob
    variance = mean(guide * guide) - mean_guide * mean_guide
    slope = covariance / (variance + GUIDE_EPSILON)
    offset = mean_prob - slope * mean_guide
    return np.clip(mean(slope) * guide + mean(offset), 0.0, 1.0)


def grabcut(rgb: Pixels, prob: Prob) -> Prob:
    """RGB (H, W, 3), probability (H, W) -> the same, but 0 or 1 within BAND_PROBS."""
    low, high = BAND_PROBS
    person = cut_between(rgb, surely_person=prob >= high, surely_not=prob <= low, probably=prob >= 0.5)
    doubtful = (prob > low) & (prob < high)
    return np.where(doubtful, person, prob).astype(np.float32)


REFINEMENTS: dict[str, Callable[[Pixels, Prob], Prob]] = {"guided": guided, "grabcut": grabcut}


class Refined:
    """A teacher whose masks pass one of REFINEMENTS."""

    def __init__(self, teacher: Teacher, refinement: str) -> None:
        self.name = teacher.name
        self.settings = f"{teacher.settings} refined by {refinement}"
        self.batch_size = teacher.batch_size
        self._teacher = teacher
        self._refine = REFINEMENTS[refinement]

    def predict(self, portraits: Sequence[Portrait]) -> list[Prediction]:
        pairs = zip(portraits, self._teacher.predict(portraits), strict=True)
        return [replace(rough, prob=self._refine(portrait.rgb, rough.prob)) for portrait, rough in pairs]
