"""`python -m pipeline.second_opinion`: another network looks at what waits for review; where it differs, doubt grows.

The review queue is ordered by doubt. A network that had no part in a mask, the student fitted on what was accepted so
far for one, draws its own; how far apart the two are changes the mask's doubt (pipeline/doubt.py), in the next version.
Masks stay as they are. Asked again, of the same or of another network, doubt is made anew from the mask's own scores.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import pyarrow as pa
import pyarrow.compute as pc

from manifests.cli.arguments import run_command
from manifests.errors import UserError
from manifests.files.blobs import BlobError, BlobStore
from manifests.pixels.images import UnusableImage, decode_image
from manifests.pixels.masks import PERSON_LEVEL, decode_mask, mask_from_prob
from manifests.pixels.metrics import confusion_matrix, iou
from manifests.progress import progress
from manifests.samples.sample import Row, Scores
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA
from pipeline.doubt import doubt
from pipeline.faces.face import Face
from pipeline.labelling.destination import Destination
from pipeline.labelling.relabel import face_in_portrait
from pipeline.ordered_map import one_thread_an_item, ordered_map
from pipeline.teachers import Portrait, Teacher, load_teacher
from pipeline.teachers.options import add_teacher_options, teacher_options

SURE_OF_REJECTION = 0.5  # where doubt is told as a count

_SCORES = tuple(field.name for field in fields(Scores))
_COLUMNS = (
    "sample_id", "image", "image_sha256", "mask", "mask_sha256", "teacher", "status", "face_fraction", "disagreement",
    "roi_x", "roi_y", "roi_w", "roi_h", "face_x", "face_y", "face_w", "face_h", "face_prob", "doubt", *_SCORES,
)  # fmt: skip
_OPINIONS = pa.schema([SCHEMA.field(name) for name in ("sample_id", "mask_sha256", "doubt")])


@dataclass(frozen=True, slots=True)
class Opinion:
    """On one mask: its person IoU with the other network's, and the doubt about it now."""

    sample_id: str
    mask_sha256: str
    second_iou: float
    doubt: float


@dataclass(frozen=True, slots=True)
class Unread:
    """A sample whose picture or mask could not be read, and why."""

    sample_id: str
    reason: str


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    store, data_root = Destination(options.manifests, options.data).open()
    network = load_teacher(options.network, teacher_options(options))
    waiting = pending_rows(store.open(), network)
    print(f"asking {network.name} about {len(waiting)} pending mask(s)", file=sys.stderr)
    one_thread_an_item()
    found = ask(network, waiting, BlobStore(data_root))
    opinions = [each for each in found if isinstance(each, Opinion)]
    for each in found:
        if isinstance(each, Unread):
            print(f"left as it is: sample {each.sample_id}: {each.reason}", file=sys.stderr)
    if not opinions:
        raise UserError(f"expected to read at least one of {len(waiting)} pending masks, found none; see above")
    manifest = commit_opinions(store, opinions, network=network)
    before = sum((row["doubt"] or 0.0) >= SURE_OF_REJECTION for row in waiting)
    after = sum(each.doubt >= SURE_OF_REJECTION for each in opinions)
    print(f"{len(opinions)} mask(s) compared; doubt of {SURE_OF_REJECTION} and more: {after}, before it {before}")
    print((manifest or store.open()).path)


def pending_rows(manifest: Manifest, network: Teacher) -> list[Row]:
    """What waits for review, as _COLUMNS; UserError when nothing does, or when `network` made the masks itself."""
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
    """The network's opinion on each row's mask, in the rows' order."""

    def one(row: Row) -> Opinion | Unread:
        try:
            rgb = decode_image(blobs.read(row["image"], row["image_sha256"]))
            mask = decode_mask(blobs.read(row["mask"], row["mask_sha256"]))
        except (BlobError, UnusableImage, UserError) as error:
            return Unread(row["sample_id"], str(error))
        [other] = network.predict([Portrait(rgb, _faces(row))])
        second_iou = iou(confusion_matrix(mask_from_prob(other.prob) >= PERSON_LEVEL, mask >= PERSON_LEVEL), 1)
        return Opinion(row["sample_id"], row["mask_sha256"], second_iou, doubt_about(row, second_iou))

    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as executor:
        found = ordered_map(executor, one, rows, ahead=2 * threads)
        return list(progress(found, "asking", total=len(rows)))


def doubt_about(row: Row, second_iou: float) -> float:
    """Doubt about a row's mask, out of its stored scores and the second opinion."""
    scores = Scores(**{name: row[name] for name in _SCORES})
    known = {name: row[name] for name in ("face_fraction", "disagreement")}
    return doubt(scores, **known, second_iou=second_iou)


def commit_opinions(store: ManifestStore, opinions: Sequence[Opinion], *, network: Teacher) -> Manifest | None:
    """The next version, with the new doubt of every mask that still waits; None when that changes nothing."""
    latest = store.open()
    known = [{name: getattr(each, name) for name in _OPINIONS.names} for each in opinions]
    new = pa.Table.from_pylist(known, schema=_OPINIONS).combine_chunks()

    def change(dataset: pa.Table | None, _version: int) -> pa.Table | None:
        assert dataset is not None, "versions are never taken away"
        found = new.take(pc.index_in(dataset["sample_id"], value_set=new["sample_id"]))
        same_mask = pc.fill_null(pc.equal(dataset["mask_sha256"], found["mask_sha256"]), False)
        due = pc.and_(same_mask, pc.equal(dataset["status"], "pending"))
        doubts = pc.if_else(due, found["doubt"], dataset["doubt"])
        if doubts.equals(dataset["doubt"]):
            return None
        return dataset.set_column(SCHEMA.get_field_index("doubt"), SCHEMA.field("doubt"), doubts)

    facts = {"network": network.name, "settings": network.settings, "asked_version": latest.version}
    counts = {"masks": len(opinions), "mean_iou": round(sum(each.second_iou for each in opinions) / len(opinions), 4)}
    return store.update(change, operation="second-opinion", parameters=facts | counts, data_root=latest.data_root)


def _faces(row: Row) -> list[Face]:
    face = face_in_portrait(row)
    return [face] if face else []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m pipeline.second_opinion",
        description="Ask another network, the student say, about the masks that wait for review: those it would draw "
        "otherwise come first in the queue of the next version.",
    )
    parser.add_argument("--network", required=True, help="as --teacher of pipeline.generate: onnx:student.onnx, say")
    add_teacher_options(parser)
    parser.add_argument("--manifests", default="manifests", help="directory of the versions; default: %(default)s")
    parser.add_argument("--data", help="data root; default: the one that the versions record")
    return parser


if __name__ == "__main__":
    run_command(main)
