"""One item -> its rows, or the reason for none; in four steps, which shards run in parallel."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic

from manifests.files.blobs import BlobStore, sha256_hex
from manifests.files.tombstones import FORGOTTEN, Tombstones
from manifests.pixels.images import UnusableImage, decode_image
from manifests.pixels.masks import mask_from_prob
from manifests.samples.sample import sample_id
from pipeline.faces.face import FaceDetector
from pipeline.labelling.work import Candidate, Item, RowsOrQuarantine, Work
from pipeline.quarantine import QuarantineRow, Unusable
from pipeline.teachers import Teacher

logger = logging.getLogger(__name__)

_BY_FORGET = "python -m manifests forget deleted it from this dataset"


@dataclass(frozen=True, slots=True)
class Opened(Generic[Item]):
    """An item and its image's bytes."""

    item: Item
    data: bytes


@dataclass(frozen=True, slots=True)
class Prepared(Generic[Item]):
    """An item, the digest of its bytes, and the portraits in it."""

    item: Item
    sha256: str
    candidates: list[Candidate]


class Labeller(Generic[Item]):
    """Turns items into rows; `teacher` is None where all items have masks. Safe to use from threads.

    `read` waits for disk or network, `prepare` decodes, detects faces and crops, `propose` runs the teacher, `store`
    writes. An item passes them in that order; an unusable one as its row of the quarantine table.
    """

    def __init__(self, work: Work[Item], detector: FaceDetector, teacher: Teacher | None, blobs: BlobStore) -> None:
        self.batch_size = teacher.batch_size if teacher else 1
        self._work = work
        self._detector = detector
        self._teacher = teacher
        self._blobs = blobs
        self._tombstones = Tombstones.read(blobs.root)

    def read(self, item: Item) -> Opened[Item] | QuarantineRow:
        """Read the image's bytes, unless its URI was forgotten."""
        try:
            self._require_not_forgotten(item)
            return Opened(item, item.read())
        except Unusable as error:
            return self._work.quarantined(item, error, None)

    def prepare(self, opened: Opened[Item] | QuarantineRow) -> Prepared[Item] | QuarantineRow:
        """Decode the image and crop its portraits."""
        if not isinstance(opened, Opened):
            return opened
        sha256 = sha256_hex(opened.data)
        try:
            self._require_not_forgotten(opened.item, sha256)
            candidates = self._work.candidates(opened.item, decode_image(opened.data), self._detector)
        except (UnusableImage, Unusable) as error:
            return self._work.quarantined(opened.item, error, sha256)
        return Prepared(opened.item, sha256, candidates)

    def propose(self, items: Sequence[Prepared[Item] | QuarantineRow]) -> list[Prepared[Item] | QuarantineRow]:
        """Add the teacher's mask to each portrait without one."""
        candidates = [each for item in items if isinstance(item, Prepared) for each in item.candidates]
        portraits = [candidate.portrait for candidate in candidates if candidate.mask is None]
        if portraits and self._teacher is None:
            raise ValueError(f"expected a teacher for {len(portraits)} portraits without masks, found none")
        predictions = iter(self._teacher.predict(portraits) if self._teacher and portraits else ())

        def with_mask(candidate: Candidate) -> Candidate:
            if candidate.mask is not None:
                return candidate
            prediction = next(predictions)
            return replace(candidate, mask=mask_from_prob(prediction.prob), disagreement=prediction.disagreement)

        return [
            replace(item, candidates=[with_mask(candidate) for candidate in item.candidates])
            if isinstance(item, Prepared)
            else item
            for item in items
        ]

    def store(self, item: Prepared[Item] | QuarantineRow) -> RowsOrQuarantine:
        """Write the blobs of every portrait but forgotten ones; return the rows."""
        if not isinstance(item, Prepared):
            return item
        forgotten = self._tombstones.samples
        kept = [each for each in item.candidates if sample_id(item.sha256, each.roi) not in forgotten]
        if item.candidates and not kept:
            return self._work.quarantined(item.item, Unusable(FORGOTTEN, _BY_FORGET), item.sha256)
        if len(kept) < len(item.candidates):
            logger.warning("%s: %d forgotten portrait(s) left out", item.item.uri, len(item.candidates) - len(kept))
        return [self._work.row(item.item, item.sha256, candidate, self._teacher, self._blobs) for candidate in kept]

    def _require_not_forgotten(self, item: Item, sha256: str | None = None) -> None:
        """Unusable for a source image that was forgotten."""
        if self._tombstones.covers_source(item.uri, sha256):
            raise Unusable(FORGOTTEN, _BY_FORGET)
