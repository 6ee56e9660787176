"""One picture -> its samples, or the reason why it has none; in four steps, so that shards run them in parallel.

Case 1 (paper, section 3.4): a full-body picture with a mask; image and mask are cropped alike around each face
that the mask counts as person. Case 2: a raw picture; the teacher proposes a mask for each ROI.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from manifests.errors import UserError
from manifests.files.blobs import BlobStore, sha256_hex
from manifests.pixels.geometry import Box, Pixels, crop
from manifests.pixels.images import UnusableImage, decode_image
from manifests.pixels.masks import mask_from_prob, read_mask_values
from manifests.samples.sample import Row, Scores, Source, score_mask, store_sample
from pipeline import quarantine
from pipeline.doubt import doubt
from pipeline.faces.face import MIN_FACE_PROB, MIN_FACE_PX, Face, FaceDetector, person_share
from pipeline.faces.roi import portrait_roi, sample_rois
from pipeline.quarantine import QuarantineRow, Unusable
from pipeline.sources import Origins, Picture
from pipeline.teachers import Portrait, Teacher

MIN_FACE_IN_MASK_FRACTION = 0.5  # case 1: a face the mask leaves out is a passer-by nobody labelled, or a bad mask


@dataclass(frozen=True, slots=True)
class Candidate:
    """A portrait cut out of a source image: around which face, where, and its mask once there is one."""

    portrait: Portrait
    roi: Box
    face: Face
    mask: Pixels | None = None
    disagreement: float | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture and its bytes as they came."""

    picture: Picture
    data: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """A source image and the portraits in it."""

    source: Source
    candidates: list[Candidate]


Outcome = list[Row] | QuarantineRow


class Labeller:
    """Turns pictures into samples; `teacher` is None in case 1. Safe to use from threads.

    `read` waits for disk or network, `prepare` decodes, finds faces and cuts, `propose` asks the teacher, `store`
    writes: a picture passes them in that order, as a row for the quarantine table once something is wrong with it.
    """

    def __init__(self, detector: FaceDetector, teacher: Teacher | None, blobs: BlobStore, origins: Origins) -> None:
        self.batch_size = teacher.batch_size if teacher else 1
        self._detector = detector
        self._teacher = teacher
        self._blobs = blobs
        self._origins = origins

    def label(self, picture: Picture) -> Outcome:
        """The rows of a picture's samples, one per face that passes; or one row for the quarantine table."""
        return self.store(self.propose([self.prepare(self.read(picture))])[0])

    def read(self, picture: Picture) -> Opened | QuarantineRow:
        """The picture's bytes."""
        try:
            return Opened(picture, picture.read())
        except Unusable as error:
            return _quarantined(picture, error)

    def prepare(self, opened: Opened | QuarantineRow) -> Prepared | QuarantineRow:
        """The portraits in it; in case 1 with their masks."""
        if not isinstance(opened, Opened):
            return opened
        sha256 = sha256_hex(opened.data)
        try:
            candidates = self._candidates(decode_image(opened.data), opened.picture)
        except (UnusableImage, Unusable) as error:
            return _quarantined(opened.picture, error, sha256)
        return Prepared(self._origins.source_of(opened.picture, sha256), candidates)

    def propose(self, pictures: Sequence[Prepared | QuarantineRow]) -> list[Prepared | QuarantineRow]:
        """The same pictures, the teacher's mask with each portrait that has none."""
        candidates = [each for picture in pictures if isinstance(picture, Prepared) for each in picture.candidates]
        masked = iter(with_masks(self._teacher, candidates))
        return [
            replace(picture, candidates=list(islice(masked, len(picture.candidates))))
            if isinstance(picture, Prepared)
            else picture
            for picture in pictures
        ]

    def store(self, picture: Prepared | QuarantineRow) -> Outcome:
        """Blobs of every portrait and its mask, and their rows."""
        if not isinstance(picture, Prepared):
            return picture
        return [self._row(candidate, picture.source) for candidate in picture.candidates]

    def _candidates(self, rgb: Pixels, picture: Picture) -> list[Candidate]:
        faces = self._detector.detect(rgb)
        if not faces:
            limits = f"at least {MIN_FACE_PX} px and probability {MIN_FACE_PROB}"
            raise Unusable(quarantine.NO_FACE, f"expected a face of {limits}, found none")
        if picture.mask is None:
            return [_candidate(rgb, roi, face, faces) for roi, face in sample_rois(faces, Box.whole(rgb))]
        mask = self._read_mask(picture, rgb)
        labelled = [face for face in faces if person_share(mask, face) >= MIN_FACE_IN_MASK_FRACTION]
        if not labelled:
            raise Unusable(
                quarantine.NO_FACE_IN_MASK,
                f"expected a face that the mask counts as person, found {len(faces)} outside",
            )
        cut = [_candidate(rgb, portrait_roi(face, Box.whole(rgb)), face, faces) for face in labelled]
        return [replace(candidate, mask=crop(mask, candidate.roi)) for candidate in cut]

    def _row(self, candidate: Candidate, source: Source) -> Row:
        mask, roi, face = candidate.mask, candidate.roi, candidate.face
        assert mask is not None, "a candidate is stored after it was given a mask"
        scores = score_mask(mask)
        of_teacher = self._teacher is not None
        return store_sample(
            self._blobs,
            candidate.portrait.rgb,
            mask,
            source=source,
            roi=roi,
            origin="teacher" if of_teacher else "face_crop",
            teacher=self._teacher.name if self._teacher is not None else None,
            scores=scores,
            others={
                **face.columns(),
                **doubt_columns(mask, scores, face.seen_from(roi), candidate.disagreement),
            },
        )

    def _read_mask(self, picture: Picture, rgb: Pixels) -> Pixels:
        assert picture.mask is not None
        assert self._origins.encoding is not None, "case 1 needs the masks' encoding"
        try:
            values = read_mask_values(picture.mask)
        except UserError as error:
            raise Unusable(quarantine.BAD_MASK, str(error)) from error
        if values.shape != rgb.shape[:2]:
            sizes = f"expected {rgb.shape[1]}x{rgb.shape[0]}, found {values.shape[1]}x{values.shape[0]}"
            raise Unusable(quarantine.MASK_MISMATCH, f"{sizes} in {picture.mask}")
        return self._origins.encoding.to_mask(values)


def with_masks(teacher: Teacher | None, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The same candidates, the teacher's mask with each that has none."""
    open_ones = [candidate for candidate in candidates if candidate.mask is None]
    if not open_ones:
        return list(candidates)
    assert teacher is not None, "only candidates without masks need a teacher"
    found = iter(teacher.predict([candidate.portrait for candidate in open_ones]))

    def with_mask(candidate: Candidate) -> Candidate:
        if candidate.mask is not None:
            return candidate
        prediction = next(found)
        return replace(candidate, mask=mask_from_prob(prediction.prob), disagreement=prediction.disagreement)

    return [with_mask(candidate) for candidate in candidates]


def doubt_columns(mask: Pixels, scores: Scores, face: Face, disagreement: float | None) -> dict[str, float | None]:
    """The manifest's columns on a mask (H, W) around a face, in the mask's pixels, beside its own scores."""
    face_fraction = person_share(mask, face)
    return {
        "face_fraction": face_fraction,
        "disagreement": disagreement,
        "doubt": doubt(scores, face_fraction=face_fraction, disagreement=disagreement),
    }


def _quarantined(picture: Picture, error: UnusableImage | Unusable, sha256: str | None = None) -> QuarantineRow:
    return {"source_uri": picture.uri, "reason": error.reason, "detail": error.detail, "source_sha256": sha256}


def _candidate(rgb: Pixels, roi: Box, face: Face, faces: Sequence[Face]) -> Candidate:
    inside = [other.seen_from(roi) for other in faces if _center_inside(other, roi)]
    return Candidate(Portrait(crop(rgb, roi), inside), roi, face)


def _center_inside(face: Face, roi: Box) -> bool:
    x, y = face.center
    return roi.x <= x < roi.right and roi.y <= y < roi.bottom
