"""`python -m pipeline.evaluate`: how good teachers are, and how well `doubt` finds their bad masks.

Every teacher labels the portraits of a manifest's accepted rows as it would label new ones; its masks are measured
against theirs. A mask is bad when its person IoU is below BAD_IOU.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from manifests.cli.arguments import run_command
from manifests.files.blobs import BlobStore
from manifests.pixels.images import decode_image
from manifests.pixels.masks import PERSON_LEVEL, Mask, decode_mask, mask_from_prob
from manifests.pixels.metrics import MetricsAccumulator, confusion_matrix, iou
from manifests.progress import progress
from manifests.samples.sample import Scores, score_mask
from manifests.store.manifest import Manifest
from manifests.store.training_rows import SPLITS, AcceptedRow, require_rows
from pipeline.doubt import MODELS, Model, doubt
from pipeline.faces.face import FaceDetector, person_share
from pipeline.faces.mtcnn import default_detector
from pipeline.ordered_map import one_thread_an_item, ordered_map
from pipeline.teachers import Portrait, Teacher, TeacherOptions, load_teacher
from pipeline.teachers.options import add_teacher_options, teacher_options

BAD_IOU = 0.9


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of a teacher's mask without the truth: what doubt is made of."""

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
class Outcome:
    """One teacher's masks, picture by picture."""

    metrics: MetricsAccumulator = field(default_factory=MetricsAccumulator)
    signs: list[Signs] = field(default_factory=list)

    def bad(self) -> npt.NDArray[np.bool_]:
        """Which masks an oracle would reject."""
        return np.array(self.metrics.person_ious) < BAD_IOU

    def summary(self) -> dict[str, Any]:
        """The three metrics, the share of bad masks, and the area under the ROC curve of doubt for them."""
        bad, doubts = self.bad(), [signs.doubt() for signs in self.signs]
        auc = float(roc_auc_score(bad, doubts)) if 0 < bad.sum() < len(bad) else None  # None: only one kind
        return asdict(self.metrics.result()) | {"bad_fraction": float(bad.mean()), "doubt_auc": auc}


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    look = teacher_options(options)
    manifest = Manifest.open(options.manifest, data_root=options.data)
    rows = require_rows(manifest, options.split)[: options.limit]
    teachers = [load_teacher(spec, look) for spec in options.teacher]
    second = load_teacher(options.second_opinion, TeacherOptions()) if options.second_opinion else None
    one_thread_an_item()
    head = "".join(f"{name:>26}" for name in MetricsAccumulator.NAMES)
    print(f"{'teacher':<44}{'images':>7}{head}{'bad':>8}{'doubt AUC':>11}")
    outcomes = measure(teachers, default_detector(), rows, BlobStore(manifest.data_root), second=second)
    for teacher, outcome in zip(teachers, outcomes, strict=True):
        print(_line(teacher.name, outcome), flush=True)
        if options.json:
            print(json.dumps({"teacher": teacher.name, "settings": teacher.settings} | outcome.summary()))


def measure(
    teachers: Sequence[Teacher],
    detector: FaceDetector,
    rows: Sequence[AcceptedRow],
    blobs: BlobStore,
    *,
    second: Teacher | None = None,
) -> list[Outcome]:
    """The teachers' masks of the rows' portraits against the rows' own; one outcome for each teacher.

    `second` gives its opinion on each of their masks.
    """

    def one(row: AcceptedRow) -> tuple[list[tuple[Mask, Signs]], Mask]:
        rgb = decode_image(blobs.read(row.image, row.image_sha256))
        truth = decode_mask(blobs.read(row.mask, row.mask_sha256))
        portrait = Portrait(rgb, detector.detect(rgb))
        other = mask_from_prob(second.predict([portrait])[0].prob) >= PERSON_LEVEL if second else None
        return [_judge(teacher, portrait, other) for teacher in teachers], truth >= PERSON_LEVEL

    outcomes, threads = [Outcome() for _ in teachers], os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as executor:
        found = ordered_map(executor, one, rows, ahead=2 * threads)
        for judged, truth in progress(found, "measuring", total=len(rows)):
            for outcome, (predicted, signs) in zip(outcomes, judged, strict=True):
                outcome.metrics.add(predicted, truth)
                outcome.signs.append(signs)
    return outcomes


def _judge(teacher: Teacher, portrait: Portrait, other: Mask | None) -> tuple[Mask, Signs]:
    [found] = teacher.predict([portrait])
    mask = mask_from_prob(found.prob)
    person = mask >= PERSON_LEVEL
    face_fraction = person_share(mask, portrait.faces[0]) if portrait.faces else None
    second_iou = iou(confusion_matrix(person, other), 1) if other is not None else None
    return person, Signs(score_mask(mask), face_fraction, found.disagreement, second_iou)


def _line(name: str, outcome: Outcome) -> str:
    summary, intervals = outcome.summary(), outcome.metrics.intervals()
    shown = "".join(
        f"{f'{summary[metric]:.4f} [{intervals[metric][0]:.4f}, {intervals[metric][1]:.4f}]':>26}"
        for metric in MetricsAccumulator.NAMES
    )
    auc = "-" if summary["doubt_auc"] is None else f"{summary['doubt_auc']:.3f}"
    return f"{name:<44}{summary['n']:>7}{shown}{summary['bad_fraction']:>8.1%}{auc:>11}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m pipeline.evaluate",
        description=f"Measure teachers on a manifest's accepted rows; bad: the share of masks with a person IoU below "
        f"{BAD_IOU}; doubt AUC: area under the ROC curve of doubt for them.",
    )
    parser.add_argument("--manifest", required=True, help="a version's Parquet file")
    parser.add_argument("--teacher", required=True, nargs="+", help="as in pipeline.generate, several")
    parser.add_argument(
        "--second-opinion", metavar="NETWORK", help="named as a teacher is: doubt is what it is after asking it"
    )
    add_teacher_options(parser)
    parser.add_argument("--data", type=Path, help="data root; default: the one the manifest names")
    parser.add_argument("--split", choices=SPLITS, default="all", help="default: %(default)s")
    parser.add_argument("--limit", type=int, help="the first N rows alone")
    parser.add_argument("--json", action="store_true", help="a JSON object after each line")
    return parser


if __name__ == "__main__":
    run_command(main)
