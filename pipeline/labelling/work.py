"""Protocol of a unit of work: items -> rows of one schema, under a digest; `label` and `relabel` implement it."""

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
    """An item of a shard: a source image or a sample. Picklable, for other processes."""

    @property
    def uri(self) -> str:
        """Its name in the quarantine table; no other item has it."""

    def read(self) -> bytes:
        """Read the image's bytes; Unusable, with the reason, when it can't."""

    def fingerprint(self) -> str | None:
        """A key that changes with its bytes; None while they can't be read."""


Item = TypeVar("Item", bound=WorkItem)
AnyItem = TypeVar("AnyItem", bound=WorkItem, contravariant=True)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A portrait cropped from an image: its ROI, its face, and its mask once there is one.

    `small_faces` counts the whole image's faces that are too small for a portrait.
    """

    portrait: Portrait
    roi: Box
    face: Face
    mask: Pixels | None = None
    disagreement: float | None = None
    small_faces: int = 0

    def doubt_columns(self, mask: Pixels, scores: Scores) -> dict[str, float | None]:
        """The manifest's columns of its mask (H, W) besides the mask's own scores."""
        face_fraction = person_share(mask, self.face.seen_from(self.roi))
        return {
            "face_fraction": face_fraction,
            "disagreement": self.disagreement,
            "doubt": doubt(scores, face_fraction=face_fraction, disagreement=self.disagreement),
        }


class Work(Protocol[AnyItem]):
    """An operation on items. Picklable, for other processes."""

    @property
    def schema(self) -> pa.Schema:
        """The columns of its rows."""

    def digest(self, items: Sequence[AnyItem], *, teacher: Teacher | None, detector: str) -> str:
        """32 hex digits of everything that decides the items' rows."""

    def candidates(self, item: AnyItem, rgb: Pixels, detector: FaceDetector) -> list[Candidate]:
        """The portraits in the item's image, RGB (H, W, 3); Unusable, with the reason, without any."""

    def row(self, item: AnyItem, sha256: str, candidate: Candidate, teacher: Teacher | None, blobs: BlobStore) -> Row:
        """Write a candidate's blobs and return its row. `sha256` is the digest of the item's bytes."""

    def quarantined(self, item: AnyItem, error: UnusableImage | Unusable, sha256: str | None) -> QuarantineRow:
        """The item's row in the quarantine table."""
