"""Labelling: source images -> portraits with masks.

Case 1 (paper, section 3.4): a full-body image with a mask; image and mask are cropped alike around each face
that the mask counts as person. Case 2: a raw image; the teacher proposes a mask for each ROI.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from manifests.errors import UserError
from manifests.files.blobs import BlobStore, sha256_hex
from manifests.pixels.geometry import Box, Pixels, crop
from manifests.pixels.images import UnusableImage
from manifests.pixels.mask_values import read_mask_values, turned_as_image
from manifests.pixels.masks import resize_mask, same_aspect
from manifests.samples.sample import Row, score_mask, store_sample
from pipeline import quarantine
from pipeline.faces.face import (
    MIN_FACE_IN_MASK_FRACTION,
    MIN_FACE_PROB,
    MIN_FACE_PX,
    Face,
    FaceDetector,
    large_enough,
    person_share,
)
from pipeline.faces.roi import portrait_roi, sample_rois
from pipeline.labelling.shards import ROW_SCHEMA, SMALL_FACES, work_digest
from pipeline.labelling.work import Candidate
from pipeline.quarantine import QuarantineRow, Unusable
from pipeline.sources import Origins, Picture
from pipeline.teachers import Portrait, Teacher


@dataclass(frozen=True, slots=True)
class LabelWork:
    """Labelling as pipeline.labelling.work.Work; no teacher in case 1."""

    origins: Origins
    schema: ClassVar[pa.Schema] = ROW_SCHEMA

    def digest(self, items: Sequence[Picture], *, teacher: Teacher | None, detector: str) -> str:
        """Digest of names and bytes of images and masks, their metadata, and work_digest's settings."""
        files = [[picture.uri, picture.fingerprint(), _file_digest(picture.mask)] for picture in items]
        return work_digest(files, teacher=teacher, detector=detector, origins=asdict(self.origins))

    def candidates(self, item: Picture, rgb: Pixels, detector: FaceDetector) -> list[Candidate]:
        """One candidate per accepted face; in case 1 with its mask."""
        detected = detector.detect(rgb)
        faces = large_enough(detected)
        small_faces = len(detected) - len(faces)
        if not faces:
            limits = f"at least {MIN_FACE_PX} px and probability {MIN_FACE_PROB}"
            smaller = f"{small_faces} smaller one(s)" if small_faces else "none"
            raise Unusable(quarantine.NO_FACE, f"expected a face of {limits}, found {smaller}")
        if item.mask is None:
            rois = sample_rois(faces, Box.whole(rgb))
            left_out = 0 if rois[0][0] == Box.whole(rgb) else small_faces
            return [replace(_candidate(rgb, roi, face, faces), small_faces=left_out) for roi, face in rois]
        mask = self._read_mask(item, item.mask, rgb)
        labelled = [face for face in faces if person_share(mask, face) >= MIN_FACE_IN_MASK_FRACTION]
        if not labelled:
            raise Unusable(
                quarantine.NO_FACE_IN_MASK,
                f"expected a face that the mask counts as person, found {len(faces)} outside",
            )
        cut = [_candidate(rgb, portrait_roi(face, Box.whole(rgb)), face, faces) for face in labelled]
        return [replace(candidate, mask=crop(mask, candidate.roi), small_faces=small_faces) for candidate in cut]

    def row(self, item: Picture, sha256: str, candidate: Candidate, teacher: Teacher | None, blobs: BlobStore) -> Row:
        """The whole row except shards.DATASET_COLUMNS."""
        assert candidate.mask is not None, "a candidate is stored with its mask"
        scores = score_mask(candidate.mask)
        return store_sample(
            blobs,
            candidate.portrait.rgb,
            candidate.mask,
            source=self.origins.source_of(item, sha256),
            roi=candidate.roi,
            origin="teacher" if teacher else "face_crop",
            teacher=teacher.name if teacher else None,
            scores=scores,
            others={
                **candidate.face.columns(),
                **candidate.doubt_columns(candidate.mask, scores),
                SMALL_FACES: candidate.small_faces,
            },
        )

    def quarantined(self, item: Picture, error: UnusableImage | Unusable, sha256: str | None) -> QuarantineRow:
        return {"source_uri": item.uri, "reason": error.reason, "detail": error.detail, "source_sha256": sha256}

    def _read_mask(self, item: Picture, path: Path, rgb: Pixels) -> Pixels:
        """The mask of the image's size; Unusable when it can't be read or has another aspect ratio."""
        assert self.origins.encoding is not None, "case 1 needs the masks' encoding"
        shape = rgb.shape[:2]
        try:
            values = read_mask_values(path)
        except UserError as error:
            raise Unusable(quarantine.BAD_MASK, str(error)) from error
        if values.shape == shape:
            return self.origins.encoding.to_mask(values)
        values = turned_as_image(values, item.read(), shape)
        if not same_aspect(values.shape, shape):
            sizes = f"expected {shape[1]}x{shape[0]}, found {values.shape[1]}x{values.shape[0]}"
            cause = ", a quarter turn: see the EXIF orientation of both" if values.shape == shape[::-1] else ""
            raise Unusable(quarantine.MASK_MISMATCH, f"{sizes}{cause} in {path}")
        return resize_mask(self.origins.encoding.to_mask(values), shape)


def _candidate(rgb: Pixels, roi: Box, face: Face, faces: Sequence[Face]) -> Candidate:
    inside = [other.seen_from(roi) for other in faces if _center_inside(other, roi)]
    return Candidate(Portrait(crop(rgb, roi), inside), roi, face)


def _center_inside(face: Face, roi: Box) -> bool:
    x, y = face.center
    return roi.x <= x < roi.right and roi.y <= y < roi.bottom


def _file_digest(path: Path | None) -> str | None:
    try:
        return sha256_hex(path.read_bytes()) if path else None
    except OSError:  # `candidates` quarantines it, with the reason
        return None
