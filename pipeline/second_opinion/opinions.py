"""Another network's opinions on masks that wait for review, and the doubt that follows."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.masks import PERSON_LEVEL, mask_from_prob
from manifests.pixels.metrics import mask_iou
from manifests.progress import progress
from manifests.samples.pair import read_pair
from manifests.samples.sample import Row, Scores
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA
from pipeline.doubt import doubt
from pipeline.faces.face import Face
from pipeline.labelling.relabel import face_in_portrait
from pipeline.ordered_map import ordered_map
from pipeline.teachers import Portrait, Teacher

_SCORES = tuple(field.name for field in fields(Scores))
_COLUMNS = (
    "sample_id", "image", "image_sha256", "mask", "mask_sha256", "teacher", "status", "face_fraction", "disagreement",
    "roi_x", "roi_y", "roi_w", "roi_h", "face_x", "face_y", "face_w", "face_h", "face_prob", "doubt", *_SCORES,
)  # fmt: skip
_OPINIONS = pa.schema([SCHEMA.field(name) for name in ("sample_id", "mask_sha256", "doubt")])


@dataclass(frozen=True, slots=True)
class Opinion:
    """One mask's person IoU with the other network's, and its new doubt."""

    sample_id: str
    mask_sha256: str
    second_iou: float
    doubt: float


@dataclass(frozen=True, slots=True)
class Unread:
    """A sample whose image or mask can't be read, and why."""

    sample_id: str
    reason: str


def pending_rows(manifest: Manifest, network: Teacher) -> list[Row]:
    """Read the pending rows, as _COLUMNS; UserError without any, or when `network` made all their masks."""
    table = manifest.read(_COLUMNS)
    rows: list[Row] = table.filter(pc.equal(table["status"], "pending")).to_pylist()
    if not rows:
        raise UserError(f"expected pending samples in {manifest.path}, found none: nothing waits for review")
    if all(row["teacher"] == network.name for row in rows):
        raise UserError(
            f"expected a network that had no part in the masks, found that {network.name} made all {len(rows)}; "
            "name another"
        )
    return rows


def ask(network: Teacher, rows: Sequence[Row], blobs: BlobStore) -> list[Opinion | Unread]:
    """Compare each row's mask with the network's, in the rows' order."""

    def one(row: Row) -> Opinion | Unread:
        try:
            rgb, mask = read_pair(blobs, row)
        except UserError as error:  # the blob, the image or the mask
            return Unread(row["sample_id"], str(error))
        [other] = network.predict([Portrait(rgb, _faces(row))])
        second_iou = mask_iou(mask_from_prob(other.prob) >= PERSON_LEVEL, mask >= PERSON_LEVEL)
        return Opinion(row["sample_id"], row["mask_sha256"], second_iou, doubt_about(row, second_iou))

    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as executor:
        opinions = ordered_map(executor, one, rows, ahead=2 * threads)
        return list(progress(opinions, "asking", total=len(rows)))


def doubt_about(row: Row, second_iou: float) -> float:
    """Compute doubt about a row's mask from its stored scores and the second opinion."""
    scores = Scores(**{name: row[name] for name in _SCORES})
    return doubt(scores, face_fraction=row["face_fraction"], disagreement=row["disagreement"], second_iou=second_iou)


def commit_opinions(store: ManifestStore, opinions: Sequence[Opinion], *, network: Teacher) -> Manifest | None:
    """Commit the new doubt of every mask that still waits; None when that changes nothing."""
    latest = store.open()
    rows = [{name: getattr(opinion, name) for name in _OPINIONS.names} for opinion in opinions]
    new = pa.Table.from_pylist(rows, schema=_OPINIONS).combine_chunks()

    def change(dataset: pa.Table | None, _version: int) -> pa.Table | None:
        assert dataset is not None, "versions are never deleted"
        matched = new.take(pc.index_in(dataset["sample_id"], value_set=new["sample_id"]))
        same_mask = pc.fill_null(pc.equal(dataset["mask_sha256"], matched["mask_sha256"]), False)
        due = pc.and_(same_mask, pc.equal(dataset["status"], "pending"))
        doubts = pc.if_else(due, matched["doubt"], dataset["doubt"])
        if doubts.equals(dataset["doubt"]):
            return None
        return dataset.set_column(SCHEMA.get_field_index("doubt"), SCHEMA.field("doubt"), doubts)

    facts = {"network": network.name, "settings": network.settings, "asked_version": latest.version}
    counts = {"masks": len(opinions), "mean_iou": round(sum(each.second_iou for each in opinions) / len(opinions), 4)}
    return store.update(change, operation="second-opinion", parameters=facts | counts, data_root=latest.data_root)


def _faces(row: Row) -> list[Face]:
    face = face_in_portrait(row)
    return [face] if face else []
