"""An export against the checkpoint it was made from, on the same photographs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_PROB, Mask
from manifests.pixels.metrics import Metrics, MetricsAccumulator
from manifests.pixels.onnx_segmenter import Prob
from trainer.inference.predictors import Predictor


@dataclass(frozen=True, slots=True)
class Parity:
    """Over all pixels of the photographs, at their own sizes; `equal_fraction` is of the mask's pixels."""

    largest_difference: float
    equal_fraction: float
    metrics: Metrics


def probabilities(predictor: Predictor, photographs: Sequence[tuple[Pixels, Mask]]) -> list[Prob]:
    return [predictor.person_prob(rgb) for rgb, _ in photographs]


def compare(probs: Sequence[Prob], expected: Sequence[Prob], photographs: Sequence[tuple[Pixels, Mask]]) -> Parity:
    """Compare the export's probabilities with the checkpoint's on `photographs`."""
    largest, equal, pixels = 0.0, 0, 0
    accumulator = MetricsAccumulator()
    for prob, reference, (_, truth) in zip(probs, expected, photographs, strict=True):
        mask = prob >= PERSON_PROB
        largest = max(largest, float(np.abs(prob - reference).max()))
        equal += int(np.count_nonzero(mask == (reference >= PERSON_PROB)))
        pixels += mask.size
        accumulator.add(mask, truth)
    return Parity(largest, equal / pixels, accumulator.result())
