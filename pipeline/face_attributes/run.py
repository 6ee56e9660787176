"""Search a version's images for faces, write the attributes, print their counts."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.files.blobs import BlobError, BlobStore
from manifests.pixels.images import UnusableImage
from manifests.progress import progress
from manifests.samples.attributes import read_attributes, write_attributes
from manifests.samples.pair import read_image
from manifests.samples.sample import Row
from manifests.samples.slices import UNKNOWN
from manifests.store.manifest import Manifest
from pipeline.face_attributes.attributes import FACES, NAMES, face_attributes
from pipeline.faces.face import FaceDetector
from pipeline.faces.mtcnn import default_detector
from pipeline.ordered_map import one_thread_an_item, ordered_map

logger = logging.getLogger(__name__)

Found = dict[str, dict[str, str | None]]  # sample id -> values of NAMES


def search_and_write(path: str, data: Path | None, *, again: bool) -> None:
    """Write the attributes of all samples but rejected ones, and of those without any unless `again`.

    An interruption keeps what was found. UserError for a version without such samples, and when no image can be read.
    """
    manifest = Manifest.open(path, data_root=data)
    rows, known = _rows(manifest, again=again)
    found: Found = {}
    one_thread_an_item()
    try:
        _search(rows, BlobStore(manifest.data_root), default_detector(), found)
    finally:
        written = _write(manifest, found)
    if rows and not found:
        raise UserError(f"expected to read at least one of {len(rows)} images, found none; see above")
    print(f"{len(found)} sample(s) searched, {known} had these attributes already, {len(rows) - len(found)} unreadable")
    for name in NAMES:
        counts = Counter(values[name] or UNKNOWN for values in found.values())
        print(f"{name}: " + ", ".join(f"{value} {count}" for value, count in counts.most_common()))
    print(written or manifest.path)


def _write(manifest: Manifest, found: Found) -> Path | None:
    """Write the attributes, if any, and return their file."""
    if not found:
        return None
    columns = {name: [values[name] for values in found.values()] for name in NAMES}
    return write_attributes(manifest.data_root, list(found), columns)


def _rows(manifest: Manifest, *, again: bool) -> tuple[list[Row], int]:
    """The rows to search, and the number of those left out because they have the attributes."""
    table = manifest.read(["sample_id", "image", "image_sha256", "status"])
    table = table.filter(pc.not_equal(table["status"], "rejected"))
    if not table.num_rows:
        raise UserError(f"expected samples that are not rejected in {manifest.path}, found none")
    attributes = read_attributes(manifest.data_root, table["sample_id"])
    if again or FACES not in attributes:
        return table.to_pylist(), 0
    wanted: pa.Table = table.filter(pc.is_null(attributes[FACES]))
    return wanted.to_pylist(), table.num_rows - wanted.num_rows


def _search(rows: Sequence[Row], blobs: BlobStore, detector: FaceDetector, found: Found) -> None:
    """Add each row's attributes to `found`; warn of images that can't be read."""

    def one(row: Row) -> dict[str, str | None] | str:
        try:
            return face_attributes(detector.detect(read_image(blobs, row)))
        except (BlobError, UnusableImage) as error:
            return str(error)

    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as executor:
        answers = progress(ordered_map(executor, one, rows, ahead=2 * threads), "searching for faces", total=len(rows))
        for row, answer in zip(rows, answers, strict=True):
            if isinstance(answer, str):
                logger.warning("skipped sample %s: %s", row["sample_id"], answer)
            else:
                found[row["sample_id"]] = answer
