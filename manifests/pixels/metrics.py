"""The project's three metrics, from masks bool (H, W) at the mask's own size.

`miou`                  mean of person and background IoU over all pixels of the dataset
`person_iou_per_image`  person IoU, averaged over images (what the SINet authors' code calls mIOU)
`boundary_f1`           person F1 in the band dilation minus erosion, 15x15, averaged over images
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from manifests.pixels.masks import BOUNDARY_KERNEL_PX, Mask, boundary_band

RESAMPLES = 1000  # of the bootstrap

Confusion = npt.NDArray[np.int64]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Metrics:
    """Over `n` images, each in [0, 1]."""

    n: int
    miou: float
    person_iou_per_image: float
    boundary_f1: float


@dataclass(slots=True)
class MetricsAccumulator:
    """Accumulates a few numbers per image."""

    NAMES: ClassVar = ("miou", "person_iou_per_image", "boundary_f1")

    confusions: list[Confusion] = field(default_factory=list)
    person_ious: list[float] = field(default_factory=list)
    boundary_f1s: list[float] = field(default_factory=list)

    def add(self, predicted: Mask, truth: Mask) -> None:
        """Add an image's masks, bool (H, W), true = person; ValueError when they differ in size."""
        if predicted.shape != truth.shape:
            raise ValueError(f"expected a prediction of the mask's size {truth.shape}, found {predicted.shape}")
        counts = confusion_matrix(predicted, truth)
        self.confusions.append(counts)
        self.person_ious.append(float(iou(counts, 1)))
        self.boundary_f1s.append(boundary_f1(predicted, truth))

    def result(self) -> Metrics:
        """The metrics of all images; ValueError without an image."""
        if not self.person_ious:
            raise ValueError("expected at least one image, found none")
        confusion = np.sum(self.confusions, axis=0)
        return Metrics(
            n=len(self.person_ious),
            miou=float(iou(confusion, 0) + iou(confusion, 1)) / 2,
            person_iou_per_image=float(np.mean(self.person_ious)),
            boundary_f1=float(np.mean(self.boundary_f1s)),
        )

    def intervals(self, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Interval]:
        """95 % percentile bootstrap intervals of the three metrics, over the images."""
        draws = self.draws(resamples=resamples, seed=seed)
        return {name: percentile_interval(draws[name]) for name in self.NAMES}

    def draws(self, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, npt.NDArray[np.float64]]:
        """The three metrics of bootstrap draws of the images, (resamples,) each.

        The same seed draws the same images of every accumulator of n images, so differences are paired.
        """
        n = len(self.person_ious)
        images = np.random.default_rng(seed).integers(0, n, (resamples, n))
        confusions = np.stack(self.confusions)[images].sum(axis=1)  # (resamples, 2, 2)
        return {
            "miou": (iou(confusions, 0) + iou(confusions, 1)) / 2,
            "person_iou_per_image": np.array(self.person_ious)[images].mean(axis=1),
            "boundary_f1": np.array(self.boundary_f1s)[images].mean(axis=1),
        }


def confusion_matrix(predicted: Mask, truth: Mask) -> npt.NDArray[np.int64]:
    """bool masks of one shape -> pixel counts (2, 2), indexed [truth, predicted]."""
    pairs = truth.astype(np.uint8) * 2 + predicted
    return np.bincount(pairs.ravel(), minlength=4).reshape(2, 2)


def iou(confusions: Confusion, label: int) -> npt.NDArray[np.float64]:
    """Intersection over union of one class, (..., 2, 2) -> (...); 1 when the class occurs in neither mask."""
    intersection = confusions[..., label, label]
    union = confusions[..., label, :].sum(-1) + confusions[..., label].sum(-1) - intersection
    return np.where(union > 0, intersection / np.maximum(union, 1), 1.0)


def mask_iou(first: Mask, second: Mask) -> float:
    """Person IoU of two masks bool (H, W); 1 when no person is in either."""
    return float(iou(confusion_matrix(first, second), 1))


def percentile_interval(values: npt.NDArray[np.float64]) -> Interval:
    """95 % interval of bootstrap draws."""
    low, high = np.percentile(values, [2.5, 97.5]).tolist()
    return low, high


def boundary_f1(predicted: Mask, truth: Mask, kernel_px: int = BOUNDARY_KERNEL_PX) -> float:
    """Person F1 inside the true mask's boundary band; precision and recall are 1 where their denominator is 0."""
    band = boundary_band(truth, kernel_px)
    counts = confusion_matrix(predicted[band], truth[band])
    hits, positives, actual = counts[1, 1], counts[:, 1].sum(), counts[1].sum()
    precision = hits / positives if positives else 1.0
    recall = hits / actual if actual else 1.0
    return float(2 * precision * recall / (precision + recall)) if hits or not (positives or actual) else 0.0
