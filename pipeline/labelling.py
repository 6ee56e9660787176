"""One picture -> its samples, or the reason why it has none.

Case 1 (paper, section 3.4): a full-body picture with a mask; image and mask are cropped alike around each face
that the mask counts as person. Case 2: a raw picture; the teacher proposes a mask for each ROI.
"""

from pathlib import Path

from manifests.blobs import BlobStore, sha256_hex
from manifests.errors import UserError
from manifests.geometry import Box, Pixels, crop
from manifests.images import UnusableImage, decode_image
from manifests.masks import mask_from_prob, read_mask_values
from manifests.samples import Row, Source, score_mask, store_sample
from manifests.schema import Origin
from pipeline import quarantine
from pipeline.doubt import doubt
from pipeline.faces import MIN_FACE_PROB, MIN_FACE_PX, Face, FaceDetector, person_share
from pipeline.quarantine import QuarantineRow, Unusable
from pipeline.roi import portrait_roi, sample_rois
from pipeline.sources import Origins, Picture
from pipeline.teachers import Teacher

MIN_FACE_IN_MASK_FRACTION = 0.5  # case 1: a face the mask leaves out is a passer-by nobody labelled, or a bad mask


class Labeller:
    """Turns pictures into samples with one detector, one teacher and one blob store. Safe to use from threads."""

    def __init__(self, detector: FaceDetector, teacher: Teacher, blobs: BlobStore, origins: Origins) -> None:
        self._detector = detector
        self._teacher = teacher
        self._blobs = blobs
        self._origins = origins

    def label(self, picture: Picture) -> list[Row] | QuarantineRow:
        """The rows of a picture's samples, one per face that passes; or one row for the quarantine table."""
        sha256 = None
        try:
            data = picture.read()
            sha256 = sha256_hex(data)
            source = self._origins.source_of(picture, sha256)
            return self._samples(decode_image(data), source, picture.mask)
        except (UnusableImage, Unusable) as error:
            return {
                "source_uri": picture.uri,
                "reason": error.reason,
                "detail": error.detail,
                "source_sha256": sha256,
            }

    def _samples(self, rgb: Pixels, source: Source, mask_path: Path | None) -> list[Row]:
        faces = self._detector.detect(rgb)
        if not faces:
            limits = f"at least {MIN_FACE_PX} px and probability {MIN_FACE_PROB}"
            raise Unusable(quarantine.NO_FACE, f"expected a face of {limits}, found none")
        if mask_path is None:
            return self._pseudo_labels(rgb, faces, source)
        return self._cropped_ground_truth(rgb, self._read_mask(mask_path, rgb), faces, source)

    def _cropped_ground_truth(self, rgb: Pixels, mask: Pixels, faces: list[Face], source: Source) -> list[Row]:
        """Case 1."""
        labelled = [face for face in faces if person_share(mask, face) >= MIN_FACE_IN_MASK_FRACTION]
        if not labelled:
            raise Unusable(
                quarantine.NO_FACE_IN_MASK,
                f"expected a face that the mask counts as person, found {len(faces)} outside",
            )
        rows = []
        for face in labelled:
            roi = portrait_roi(face, Box.whole(rgb))
            rows.append(self._store(crop(rgb, roi), crop(mask, roi), source, roi, face, "face_crop"))
        return rows

    def _pseudo_labels(self, rgb: Pixels, faces: list[Face], source: Source) -> list[Row]:
        """Case 2."""
        rows = []
        for roi, face in sample_rois(faces, Box.whole(rgb)):
            portrait = crop(rgb, roi)
            inside = [other.seen_from(roi) for other in faces if _center_inside(other, roi)]
            mask = mask_from_prob(self._teacher.predict(portrait, inside))
            rows.append(self._store(portrait, mask, source, roi, face, "teacher"))
        return rows

    def _store(self, rgb: Pixels, mask: Pixels, source: Source, roi: Box, face: Face, origin: Origin) -> Row:
        scores = score_mask(mask)
        return store_sample(
            self._blobs,
            rgb,
            mask,
            source=source,
            roi=roi,
            origin=origin,
            teacher=self._teacher.name if origin == "teacher" else None,
            scores=scores,
            doubt=doubt(scores, face_share=person_share(mask, face.seen_from(roi))),
            face=face.columns(),
        )

    def _read_mask(self, path: Path, rgb: Pixels) -> Pixels:
        assert self._origins.encoding is not None, "case 1 needs the masks' encoding"
        try:
            values = read_mask_values(path)
        except UserError as error:
            raise Unusable(quarantine.BAD_MASK, str(error)) from error
        if values.shape != rgb.shape[:2]:
            sizes = f"expected {rgb.shape[1]}x{rgb.shape[0]}, found {values.shape[1]}x{values.shape[0]} in {path}"
            raise Unusable(quarantine.MASK_MISMATCH, sizes)
        return self._origins.encoding.to_mask(values)


def _center_inside(face: Face, roi: Box) -> bool:
    x, y = face.center
    return roi.x <= x < roi.right and roi.y <= y < roi.bottom
