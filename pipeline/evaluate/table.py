"""The table of `python -m pipeline.evaluate`: one line per teacher."""

import json
from collections.abc import Sequence
from pathlib import Path

from manifests.files.blobs import BlobStore
from manifests.pixels.metrics import MetricsAccumulator
from manifests.store.manifest import Manifest
from manifests.store.training_rows import SplitOrAll, require_rows
from pipeline.evaluate.teacher_score import TeacherScore, measure
from pipeline.faces.mtcnn import default_detector
from pipeline.ordered_map import one_thread_an_item
from pipeline.teachers import TeacherOptions, load_teacher


def print_table(
    manifest_path: str,
    specs: Sequence[str],
    options: TeacherOptions,
    *,
    second_opinion: str | None,
    data: Path | None,
    split: SplitOrAll,
    limit: int | None,
    with_json: bool,
) -> None:
    """Measure the teachers that `specs` name on the first `limit` accepted rows of a split, and print their scores."""
    manifest = Manifest.open(manifest_path, data_root=data)
    rows = require_rows(manifest, split)[:limit]
    teachers = [load_teacher(spec, options) for spec in specs]
    second = load_teacher(second_opinion, TeacherOptions()) if second_opinion else None
    one_thread_an_item()
    head = "".join(f"{name:>26}" for name in MetricsAccumulator.NAMES)
    print(f"{'teacher':<44}{'images':>7}{head}{'bad':>8}{'doubt AUC':>11}")
    scores = measure(teachers, default_detector(), rows, BlobStore(manifest.data_root), second=second)
    for teacher, score in zip(teachers, scores, strict=True):
        print(_line(teacher.name, score), flush=True)
        if with_json:
            print(json.dumps({"teacher": teacher.name, "settings": teacher.settings} | score.summary()))


def _line(name: str, score: TeacherScore) -> str:
    summary, intervals = score.summary(), score.metrics.intervals()
    metrics = "".join(
        f"{f'{summary[metric]:.4f} [{intervals[metric][0]:.4f}, {intervals[metric][1]:.4f}]':>26}"
        for metric in MetricsAccumulator.NAMES
    )
    auc = "-" if summary["doubt_auc"] is None else f"{summary['doubt_auc']:.3f}"
    return f"{name:<44}{summary['n']:>7}{metrics}{summary['bad_fraction']:>8.1%}{auc:>11}"
