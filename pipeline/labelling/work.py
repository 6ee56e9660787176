"""A unit of work: items -> rows of one schema, under a digest. `label` and `relabel` are the two that exist."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import pyarrow as pa

from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.images import UnusableImage
from manifests.samples.sample import Row, Scores
from pipeline.doubt import doubt
from pipeline.faces.face import Face, FaceDetector, person_share
from pipeline.quarantine import QuarantineRow, Unusable
from pipeline.teachers import Portrait, Teacher

RowsOrQuarantine = list[Row] | QuarantineRow


class WorkItem(Protocol):
    """What a shard is made of: a source image, or a sample. A value: it travels to other processes."""

    @property
    def uri(self) -> str:
        """Its name in the quarantine table; no other item has it."""

    def read(self) -> bytes:
        """The image's bytes; Unusable says why there are none."""

    def fingerprint(self) -> str | None:
        """What changes when its bytes do; None where they can't be read now, and may be later."""


Item = TypeVar("Item", bound=WorkItem)
AnyItem = TypeVar("AnyItem", bound=WorkItem, contravariant=True)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A portrait cut out of an image: around which face, where, and its mask once there is one.

    `small_faces` counts those of the whole image that are too small to be cut out.
    """

    portrait: Portrait
    roi: Box
    face: Face
    mask: Pixels | None = None
    disagreement: float | None = None
    small_faces: int = 0

    def doubt_columns(self, mask: Pixels, scores: Scores) -> dict[str, float | None]:
        """The manifest's columns on its mask (H, W) beside the mask's own scores."""
        face_fraction = person_share(mask, self.face.seen_from(self.roi))
        return {
            "face_fraction": face_fraction,
            "disagreement": self.disagreement,
            "doubt": doubt(scores, face_fraction=face_fraction, disagreement=self.disagreement),
        }


class Work(Protocol[AnyItem]):
    """What an operation does with one of its items. A value: it travels to other processes."""

    @property
    def schema(self) -> pa.Schema:
        """The columns of its rows."""

    def digest(self, items: Sequence[AnyItem], *, teacher: Teacher | None, detector: str) -> str:
        """32 hex digits over all that decides the items' rows."""

    def candidates(self, item: AnyItem, rgb: Pixels, detector: FaceDetector) -> list[Candidate]:
        """The portraits in the item's image, RGB (H, W, 3); Unusable says why there are none."""

    def row(self, item: AnyItem, sha256: str, candidate: Candidate, teacher: Teacher | None, blobs: BlobStore) -> Row:
        """Write a candidate's blobs; its row. `sha256` is that of the item's bytes."""

    def quarantined(self, item: AnyItem, error: UnusableImage | Unusable, sha256: str | None) -> QuarantineRow:
        """The item's row in the quarantine table."""
