"""Teachers' masks of trusted portraits, measured against the trusted ones."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from manifests.files.blobs import BlobStore
from manifests.pixels.masks import PERSON_LEVEL, Mask, mask_from_prob
from manifests.pixels.metrics import MetricsAccumulator, mask_iou
from manifests.progress import progress
from manifests.samples.pair import read_pair
from manifests.samples.sample import Scores, score_mask
from manifests.store.training_rows import AcceptedRow
from pipeline.doubt import BAD_IOU, MODELS, Model, doubt
from pipeline.faces.face import FaceDetector, large_enough, person_share
from pipeline.ordered_map import ordered_map
from pipeline.teachers import Portrait, Teacher


@dataclass(frozen=True, slots=True)
class Signs:
    """The inputs of doubt about a teacher's mask: what can be measured without the truth."""

    scores: Scores
    face_fraction: float | None
    disagreement: float | None
    second_iou: float | None = None

    def doubt(self, models: Mapping[str, Model] = MODELS) -> float:
        return doubt(
            self.scores,
            face_fraction=self.face_fraction,
            disagreement=self.disagreement,
            second_iou=self.second_iou,
            models=models,
        )


@dataclass(slots=True)
class TeacherScore:
    """One teacher's masks, image by image."""

    metrics: MetricsAccumulator = field(default_factory=MetricsAccumulator)
    signs: list[Signs] = field(default_factory=list)

    def bad(self) -> npt.NDArray[np.bool_]:
        """Return which masks an oracle rejects."""
        return np.array(self.metrics.person_ious) < BAD_IOU

    def summary(self) -> dict[str, Any]:
        """Return the three metrics, the share of bad masks, and the area under the ROC curve of doubt for them."""
        bad, doubts = self.bad(), [signs.doubt() for signs in self.signs]
        auc = float(roc_auc_score(bad, doubts)) if 0 < bad.sum() < len(bad) else None  # None: only one kind
        return asdict(self.metrics.result()) | {"bad_fraction": float(bad.mean()), "doubt_auc": auc}


def measure(
    teachers: Sequence[Teacher],
    detector: FaceDetector,
    rows: Sequence[AcceptedRow],
    blobs: BlobStore,
    *,
    second: Teacher | None = None,
) -> list[TeacherScore]:
    """Compare the teachers' masks of the rows' portraits with the rows' own; one score per teacher.

    `second` gives a second opinion on each of their masks.
    """

    def one(row: AcceptedRow) -> tuple[list[tuple[Mask, Signs]], Mask]:
        rgb, truth = read_pair(blobs, row)
        portrait = Portrait(rgb, large_enough(detector.detect(rgb)))
        other = mask_from_prob(second.predict([portrait])[0].prob) >= PERSON_LEVEL if second else None
        return [_predict(teacher, portrait, other) for teacher in teachers], truth >= PERSON_LEVEL

    scores, threads = [TeacherScore() for _ in teachers], os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as executor:
        portraits = ordered_map(executor, one, rows, ahead=2 * threads)
        for predictions, truth in progress(portraits, "measuring", total=len(rows)):
            for score, (mask, signs) in zip(scores, predictions, strict=True):
                score.metrics.add(mask, truth)
                score.signs.append(signs)
    return scores


def _predict(teacher: Teacher, portrait: Portrait, other: Mask | None) -> tuple[Mask, Signs]:
    """Return the teacher's mask, bool (H, W), and its signs; `other` is the second opinion."""
    [prediction] = teacher.predict([portrait])
    mask = mask_from_prob(prediction.prob)
    person = mask >= PERSON_LEVEL
    face_fraction = person_share(mask, portrait.faces[0]) if portrait.faces else None
    second_iou = mask_iou(person, other) if other is not None else None
    return person, Signs(score_mask(mask), face_fraction, prediction.disagreement, second_iou)
