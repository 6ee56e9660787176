"""Relabelling: samples that a dataset has already -> another teacher's masks -> the next version.

A sample keeps its identity, image and split; its mask columns are recomputed, and it waits for review. Verdicts name
`(sample_id, mask_sha256)`, so those on the old mask stay with the old mask. Where both are kept, the new mask becomes
the row's rival instead, for a reviewer to choose from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.decisions.policy import MaskVerdict
from manifests.decisions.publish import verdict_columns
from manifests.errors import UserError
from manifests.files.blobs import BlobError, BlobStore
from manifests.files.tombstones import Tombstones
from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.images import UnusableImage
from manifests.pixels.masks import PERSON_LEVEL, encode_mask
from manifests.pixels.metrics import mask_iou
from manifests.samples.pair import read_mask
from manifests.samples.sample import Row, score_mask
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.row_groups import together
from manifests.store.row_patch import Places, RowPatch
from manifests.store.schema import MASK_COLUMNS, RIVAL_COLUMNS, SCHEMA
from pipeline import quarantine
from pipeline.faces.face import Face, FaceDetector, large_enough
from pipeline.labelling.commit import write_quarantine_table
from pipeline.labelling.shards import ShardResult, read_quarantine, read_tables, work_digest
from pipeline.labelling.work import Candidate
from pipeline.quarantine import QuarantineRow, Unusable
from pipeline.teachers import Portrait, Teacher

# Of a teacher's mask with its own mask before: noise. On crops that are JPEGs it was 0.987 and more.
SAME_IOU = 0.98

RelabelStatus = Literal["pending", "rejected", "edited"]  # "edited": repaired masks, of any status

# A shard's result for a sample; the rest of its row stays as it is.
MASK_SCHEMA = pa.schema([SCHEMA.field(name) for name in ("sample_id", *MASK_COLUMNS)])
RIVAL_SCHEMA = pa.schema(
    [SCHEMA.field(name) for name in ("sample_id", "rival_mask_sha256", "rival_teacher", "rival_iou", "rival_doubt")]
)

_OF_OLD_MASK = ("edited_from", "edited_by", *RIVAL_COLUMNS)
_REPLACED = [*MASK_COLUMNS, "origin", *verdict_columns(MaskVerdict(())), *_OF_OLD_MASK]  # by a new mask
_KEY_COLUMNS = ("sample_id", "mask_sha256", "status", "origin", "teacher", "rival_mask_sha256")
_FACE_COLUMNS = ("face_x", "face_y", "face_w", "face_h", "face_prob")
_SAMPLE_COLUMNS = (
    "sample_id", "image", "image_sha256", "roi_x", "roi_y", "roi_w", "roi_h", *_FACE_COLUMNS, "status", "origin",
    "rival_mask_sha256",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RelabelItem:
    """A sample without its mask. The face is in the portrait's own pixels. Picklable, for other processes."""

    sample_id: str
    data_root: Path
    image: str
    image_sha256: str
    width: int
    height: int
    face: Face | None

    @property
    def uri(self) -> str:
        """The image's blob: several samples may come from one source image."""
        return self.image

    def read(self) -> bytes:
        """The image's bytes; Unusable when they are missing or altered."""
        try:
            return BlobStore(self.data_root).read(self.image, self.image_sha256)
        except BlobError as error:
            raise Unusable(quarantine.UNREADABLE, str(error)) from error
        except OSError as error:
            raise Unusable(quarantine.UNREADABLE, error.strerror or str(error)) from error

    def fingerprint(self) -> str | None:
        """The bytes' digest; None while they are missing or altered."""
        try:
            self.read()
        except Unusable:
            return None
        return self.image_sha256


@dataclass(frozen=True, slots=True)
class Relabelled:
    """Result of a run; `manifest` is the version with the new masks, None without any.

    With `keep_both` they are second masks, beside those that the samples have.
    """

    manifest: str | None
    new_masks: int
    same_masks: int  # the new mask equals the old one, or but for noise
    changed_meanwhile: int  # reviewed, published or relabelled by others while the teacher worked
    unusable: int  # left as they were
    quarantine_table: str | None
    keep_both: bool = False

    def __str__(self) -> str:
        text = f"{self.new_masks} {'second' if self.keep_both else 'new'} mask(s)"
        if self.same_masks:
            text += f", {self.same_masks} the same as before"
        if self.changed_meanwhile:
            text += f", {self.changed_meanwhile} changed meanwhile by others and left as they are"
        return text

    @property
    def complaint(self) -> str | None:
        """Message on samples that can't be relabelled; None without any."""
        if not self.quarantine_table:
            return None
        return f"{self.unusable} sample(s) can't be relabelled and stay as they were, see {self.quarantine_table}"


@dataclass(frozen=True, slots=True)
class RelabelWork:
    """Relabelling as pipeline.labelling.work.Work."""

    schema: ClassVar[pa.Schema] = MASK_SCHEMA

    def digest(self, items: Sequence[RelabelItem], *, teacher: Teacher | None, detector: str) -> str:
        """Digest of images, faces and work_digest's settings, but not of the current masks."""
        samples = [[item.sample_id, item.image_sha256, asdict(item.face) if item.face else None] for item in items]
        return work_digest(samples, teacher=teacher, detector=detector, operation="relabel")

    def candidates(self, item: RelabelItem, rgb: Pixels, detector: FaceDetector) -> list[Candidate]:
        """The portrait and the faces in it: those the detector finds there, else the one it was cut around."""
        if rgb.shape[:2] != (item.height, item.width):
            sizes = f"expected {item.width}x{item.height}, found {rgb.shape[1]}x{rgb.shape[0]}"
            raise Unusable(quarantine.ROW_MISMATCH, f"{sizes} in {item.image}")
        faces = large_enough(detector.detect(rgb)) or ([item.face] if item.face else [])
        if not faces:
            raise Unusable(quarantine.NO_FACE, "expected a face in the portrait or in the manifest, found none")
        return [Candidate(Portrait(rgb, faces), Box.whole(rgb), item.face or faces[0])]

    def row(
        self, item: RelabelItem, sha256: str, candidate: Candidate, teacher: Teacher | None, blobs: BlobStore
    ) -> Row:
        """MASK_COLUMNS for the sample's row."""
        assert candidate.mask is not None, "a sample is stored with its mask"
        assert teacher is not None, "new masks come from a teacher"
        blob = blobs.put(encode_mask(candidate.mask), ".png")
        scores = score_mask(candidate.mask)
        return {
            "sample_id": item.sample_id,
            "mask": blob.path,
            "mask_sha256": blob.sha256,
            "teacher": teacher.name,
            **asdict(scores),
            **candidate.doubt_columns(candidate.mask, scores),
        }

    def quarantined(self, item: RelabelItem, error: UnusableImage | Unusable, sha256: str | None) -> QuarantineRow:
        detail = f"sample {item.sample_id}: {error.detail}"
        return {"source_uri": item.uri, "reason": error.reason, "detail": detail, "source_sha256": item.image_sha256}


def find_samples(
    manifest: Manifest, status: RelabelStatus, data_root: Path, *, keep_both: bool = False
) -> list[RelabelItem]:
    """The version's samples of that status, with `keep_both` those without a rival; UserError when there are none.

    Ground truth is left out, and so are repaired masks unless `status` names them: a teacher overwrites what a person
    drew only when asked to. UserError also for `keep_both` with samples that don't wait for review.
    """
    if keep_both and status != "pending":
        raise UserError(f"expected pending samples to keep both masks, found {status}; use --relabel pending")
    samples = []
    for part in manifest.parts(_SAMPLE_COLUMNS):
        wanted = _of_status(part, status)
        if keep_both:
            wanted = pc.and_(wanted, pc.is_null(part["rival_mask_sha256"]))
        samples += [_sample(row, data_root) for row in part.filter(wanted).to_pylist()]
    if not samples:
        statuses = ", ".join(f"{count} {name}" for name, count in manifest.counts.items() if name != "rows")
        one_mask = " with one mask" if keep_both else ""
        raise UserError(
            f"expected {status} samples{one_mask} to relabel in {manifest.path}, found none of them ({statuses})"
        )
    return samples


def commit_relabelled(
    results: Sequence[ShardResult],
    store: ManifestStore,
    data_root: Path,
    *,
    version: int,
    status: RelabelStatus,
    parameters: Mapping[str, object],
    keep_both: bool = False,
) -> Relabelled:
    """Commit the shards' masks of samples that had `status` in `version`; UserError without any.

    With `keep_both` they become rivals of the samples' masks, except those that are the same but for noise.

    Safe beside reviewers and other writers: rows they changed since then stay as they are.
    """
    quarantined = read_quarantine(results)
    table_path = str(write_quarantine_table(quarantined, results, data_root)) if quarantined else None
    masks = pa.concat_tables(read_tables(results)).combine_chunks()
    if masks.num_rows == 0:
        raise UserError(
            f"expected to relabel at least one of {len(quarantined)} {status} sample(s), found none that can be; "
            f"see {table_path} for each reason"
        )
    masks = Tombstones.read(data_root).leave_out(masks, "finished shards")
    before = _rows_of(masks, store.open(version), ["sample_id", "mask", "mask_sha256", "teacher"]).combine_chunks()
    samples = masks.num_rows
    masks = (rivals if keep_both else without_noise)(masks, before, BlobStore(data_root))
    relabelled = Relabelled(None, 0, 0, 0, len(quarantined), table_path, keep_both)

    def put_in(rows: pa.Table) -> tuple[pa.Table | None, int, int]:
        if keep_both:
            return *add_rivals(rows, masks, before), 0
        return replace_masks(rows, masks, before, status=status)

    def change(base: Manifest | None, _version: int) -> RowPatch | None:
        nonlocal relabelled
        assert base is not None, "versions are never deleted"
        patch, new, same = _patch(base, masks, RIVAL_SCHEMA.names[1:] if keep_both else _REPLACED, put_in)
        others = masks.num_rows - new - same
        noise = samples - masks.num_rows
        relabelled = replace(relabelled, new_masks=new, same_masks=same + noise, changed_meanwhile=others)
        return patch

    facts = {
        "status": status,
        "relabelled_version": version,
        "samples": samples,
        "quarantined": len(quarantined),
        **({"keep_both": True} if keep_both else {}),
    }
    manifest = store.amend(change, operation="relabel", parameters={**parameters, **facts}, data_root=data_root)
    return replace(relabelled, manifest=str(manifest.path) if manifest else None)


def _rows_of(masks: pa.Table, version: Manifest, columns: Sequence[str]) -> pa.Table:
    """The version's rows of the samples in `masks`."""
    parts = (part.filter(_is_in(part, masks)) for part in version.parts(columns))
    return together(parts, columns)


def _patch(
    base: Manifest,
    masks: pa.Table,
    columns: Sequence[str],
    put_in: Callable[[pa.Table], tuple[pa.Table | None, int, int]],
) -> tuple[RowPatch | None, int, int]:
    """The changes that `put_in` makes in `columns` of rows with the samples in `masks`, and the sums of its counts."""
    counts, first = np.zeros(2, int), 0
    places, cells = list[Places](), list[pa.Table]()
    for part in base.parts(list(dict.fromkeys((*_KEY_COLUMNS, *columns)))):
        here = np.flatnonzero(_is_in(part, masks).to_numpy())
        changed, *found = put_in(part.take(pa.array(here)))
        counts += found
        if changed is not None:
            places.append(first + here)
            cells.append(changed.select(columns))
        first += part.num_rows
    patch = RowPatch(places=np.concatenate(places), cells=pa.concat_tables(cells)) if cells else None
    return patch, *counts.tolist()


def _is_in(rows: pa.Table, masks: pa.Table) -> pa.ChunkedArray:
    return pc.is_in(rows["sample_id"], value_set=masks["sample_id"].combine_chunks())


def without_noise(masks: pa.Table, before: pa.Table, blobs: BlobStore) -> pa.Table:
    """The rows of `masks` (MASK_SCHEMA) but those that repeat their own teacher's mask: person IoU >= SAME_IOU.

    The crop is a JPEG, so a teacher never gives the same bytes twice; a verdict on its mask holds for the repetition.
    """
    old = before.take(pc.index_in(masks["sample_id"], value_set=before["sample_id"]))
    own = pc.fill_null(pc.equal(masks["teacher"], old["teacher"]), False)
    differs = pc.fill_null(pc.not_equal(masks["mask_sha256"], old["mask_sha256"]), False)
    doubles = np.flatnonzero(pc.and_(own, differs).to_numpy(zero_copy_only=False))
    rows = zip(masks.take(pa.array(doubles)).to_pylist(), old.take(pa.array(doubles)).to_pylist(), strict=True)
    keep = np.ones(masks.num_rows, bool)
    for place, (new_row, old_row) in zip(doubles.tolist(), rows, strict=True):
        keep[place] = not _is_same_person(read_mask(blobs, new_row), read_mask(blobs, old_row))
    return masks.filter(pa.array(keep))


def rivals(masks: pa.Table, before: pa.Table, blobs: BlobStore) -> pa.Table:
    """The rows of `masks` (MASK_SCHEMA) as RIVAL_SCHEMA, but those whose person is that of the sample's mask before.

    Whichever teachers made the two: with a person IoU >= SAME_IOU there is nothing to choose.
    """
    old = before.take(pc.index_in(masks["sample_id"], value_set=before["sample_id"]))
    both = zip(masks.to_pylist(), old.to_pylist(), strict=True)
    ious = [_person_iou(read_mask(blobs, new_row), read_mask(blobs, old_row)) for new_row, old_row in both]
    columns = [masks["sample_id"], masks["mask_sha256"], masks["teacher"], pa.array(ious, pa.float32()), masks["doubt"]]
    return pa.table(columns, schema=RIVAL_SCHEMA).filter(pa.array([iou < SAME_IOU for iou in ious], pa.bool_()))


def _is_same_person(mask: Pixels, other: Pixels) -> bool:
    return _person_iou(mask, other) >= SAME_IOU


def _person_iou(mask: Pixels, other: Pixels) -> float:
    """Person IoU of two masks uint8 (H, W); 0 when they differ in size."""
    return mask_iou(mask >= PERSON_LEVEL, other >= PERSON_LEVEL) if mask.shape == other.shape else 0.0


def replace_masks(
    dataset: pa.Table, masks: pa.Table, before: pa.Table, *, status: RelabelStatus
) -> tuple[pa.Table | None, int, int]:
    """`dataset` with the rows of `masks` (MASK_SCHEMA) put in, the number of new masks, and that of equal masks.

    Only rows that still have `status` and the mask in `before` change. One whose new mask equals the old one keeps its
    verdict, and takes the teacher's name and scores if a teacher made it. No table without a change.
    """
    matched, due = _due(dataset, masks, before, status)
    same = pc.and_(due, pc.fill_null(pc.equal(dataset["mask_sha256"], matched["mask_sha256"]), False))
    new = pc.and_(due, pc.invert(same))
    again = pc.and_(same, pc.equal(dataset["origin"], "teacher"))
    renamed = pc.and_(again, pc.fill_null(pc.not_equal(dataset["teacher"], matched["teacher"]), False))
    counts = _count(new), _count(same)
    if not counts[0] and not _count(renamed):
        return None, *counts
    for name in MASK_COLUMNS:
        dataset = _with(dataset, name, pc.or_(new, again), matched[name])
    undecided = verdict_columns(MaskVerdict(()))
    for name, value in {"origin": "teacher", **undecided, **dict.fromkeys(_OF_OLD_MASK)}.items():
        dataset = _with(dataset, name, new, pa.scalar(value, SCHEMA.field(name).type))
    return dataset, *counts


def add_rivals(dataset: pa.Table, masks: pa.Table, before: pa.Table) -> tuple[pa.Table | None, int]:
    """`dataset` with the rows of `masks` (RIVAL_SCHEMA) put in, and their number; no table without any.

    Only rows that still are pending, have the mask in `before` and have no rival change.
    """
    matched, due = _due(dataset, masks, before, "pending")
    new = pc.and_(due, pc.is_null(dataset["rival_mask_sha256"]))
    for name in RIVAL_SCHEMA.names[1:]:
        dataset = _with(dataset, name, new, matched[name])
    count = _count(new)
    return (dataset if count else None), count


def face_in_portrait(row: Row) -> Face | None:
    """The face that the row's portrait was cut around, in the portrait's own pixels; None where it is unknown."""
    numbers = [row[name] for name in _FACE_COLUMNS]
    roi = Box(row["roi_x"], row["roi_y"], row["roi_w"], row["roi_h"])
    return None if None in numbers else Face(*numbers).seen_from(roi)


def _of_status(table: pa.Table, status: RelabelStatus) -> pa.ChunkedArray:
    """Which rows a relabelling of `status` is about."""
    if status == "edited":
        return pc.equal(table["origin"], "edited")
    by_people = pc.is_in(table["origin"], value_set=pa.array(["ground_truth", "edited"]))
    return pc.and_(pc.equal(table["status"], status), pc.invert(by_people))


def _due(
    dataset: pa.Table, masks: pa.Table, before: pa.Table, status: RelabelStatus
) -> tuple[pa.Table, pa.ChunkedArray]:
    """The row of `masks` for each row of `dataset`, nulls without one, and which rows still are as they were before."""
    ids = dataset["sample_id"]
    matched = masks.take(pc.index_in(ids, value_set=masks["sample_id"]))
    mask_before = before["mask_sha256"].take(pc.index_in(ids, value_set=before["sample_id"]))
    unchanged = pc.and_(_of_status(dataset, status), pc.equal(dataset["mask_sha256"], mask_before))
    return matched, pc.and_(pc.is_valid(matched["sample_id"]), pc.fill_null(unchanged, False))


def _with(table: pa.Table, name: str, rows: pa.ChunkedArray, values: pa.ChunkedArray | pa.Scalar) -> pa.Table:
    """`table` with `values` in the column `name` where `rows` is true."""
    column = pc.if_else(rows, values, table[name])
    return table.set_column(table.schema.get_field_index(name), SCHEMA.field(name), column)


def _count(rows: pa.ChunkedArray) -> int:
    return int(pc.sum(rows).as_py() or 0)


def _sample(row: Row, data_root: Path) -> RelabelItem:
    size = row["roi_w"], row["roi_h"]
    return RelabelItem(row["sample_id"], data_root, row["image"], row["image_sha256"], *size, face_in_portrait(row))
