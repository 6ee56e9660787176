"""Label trusted portraits, fit doubt on the train rows, measure it on unseen ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.files.blobs import BlobStore
from manifests.store.manifest import Manifest
from manifests.store.training_rows import AcceptedRow, SplitOrAll, require_rows
from pipeline.doubt import MODELS, SECOND_OPINION, WITH_PROBABILITIES, WITHOUT
from pipeline.evaluate.teacher_score import measure
from pipeline.faces.mtcnn import default_detector
from pipeline.fit_doubt.judged_masks import JudgedMasks
from pipeline.fit_doubt.plot import plot
from pipeline.fit_doubt.regression import fit, fit_second
from pipeline.fit_doubt.report import report
from pipeline.ordered_map import one_thread_an_item
from pipeline.teachers import Teacher, TeacherOptions, load_teacher


def fit_and_report(
    fitted_on: Path,
    specs: Sequence[str],
    options: TeacherOptions,
    *,
    measured_on: Path | None,
    second_opinion: str | None,
    limit: int | None,
    plot_path: Path,
) -> None:
    """Print the fitted models and how good they are; write the plot. UserError when both have images in common."""
    teachers = {spec: load_teacher(spec, options) for spec in specs}
    second = load_teacher(second_opinion, TeacherOptions()) if second_opinion else None
    fit_rows = _trusted_rows(fitted_on, "train", limit)
    on = measured_on or fitted_on
    unseen_rows = _trusted_rows(on, "all" if measured_on else "test", limit)
    shared = {row.image_sha256 for row in fit_rows[1]} & {row.image_sha256 for row in unseen_rows[1]}
    if shared:
        raise UserError(
            f"expected images in {on} outside the rows fitted on, found {len(shared)} in both; give another --on"
        )
    fit_masks, unseen = (_judge(teachers, second, *rows) for rows in (fit_rows, unseen_rows))
    models = dict(MODELS)
    for kind in (WITH_PROBABILITIES, WITHOUT):
        some = fit_masks.of_kind(kind)
        if some.has_both_verdicts():
            models[kind] = fit(some)
            print(f"{kind} = {models[kind]}\n")
    print(report(unseen.without_second_opinion(), models))
    if second is not None and fit_masks.has_both_verdicts():
        models[SECOND_OPINION] = fit_second(fit_masks, models)
        print(f"\n{SECOND_OPINION} = {models[SECOND_OPINION]}: {second.name}\n")
        print(report(unseen, models))
    write_replace(plot_path, plot(unseen, models))
    print(plot_path)


def _trusted_rows(path: Path, split: SplitOrAll, limit: int | None) -> tuple[Manifest, Sequence[AcceptedRow]]:
    manifest = Manifest.open(path)
    return manifest, require_rows(manifest, split, trusted=True)[:limit]


def _judge(
    teachers: Mapping[str, Teacher], second: Teacher | None, manifest: Manifest, rows: Sequence[AcceptedRow]
) -> JudgedMasks:
    one_thread_an_item()
    blobs = BlobStore(manifest.data_root)
    scores = measure(list(teachers.values()), default_detector(), rows, blobs, second=second)
    return JudgedMasks.of(dict(zip(teachers, scores, strict=True)))
