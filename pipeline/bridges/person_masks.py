"""One mask of all people in an image, as annotation tools want it."""

import numpy as np

from manifests.pixels.geometry import Box, Pixels, crop
from manifests.pixels.masks import Mask
from pipeline.faces.face import Face, FaceDetector, large_enough
from pipeline.faces.roi import sample_rois
from pipeline.teachers import Portrait, Teacher

PERSON_PROB = 0.5  # from here on a pixel is person


class PersonMasks:
    """A teacher's masks, as `pipeline.generate` makes them: a portrait around each face. Safe to use from threads.

    An image without a face is predicted whole.
    """

    def __init__(self, teacher: Teacher, detector: FaceDetector) -> None:
        self.name = teacher.name
        self._teacher = teacher
        self._detector = detector

    def mask(self, rgb: Pixels) -> Mask:
        """RGB uint8 (H, W, 3) -> bool (H, W), the union of all portraits' masks."""
        faces = large_enough(self._detector.detect(rgb))
        whole = Box.whole(rgb)
        rois = [roi for roi, _face in sample_rois(faces, whole)] or [whole]
        person = np.zeros(rgb.shape[:2], bool)
        for roi in rois:
            [prediction] = self._teacher.predict([Portrait(crop(rgb, roi), _inside(faces, roi))])
            person[roi.y : roi.bottom, roi.x : roi.right] |= prediction.prob >= PERSON_PROB
        return person


def load_person_masks(teacher: str, device: str) -> PersonMasks:
    """Load the teacher that `--teacher` names, and the face detector; UserError when it can't be loaded."""
    from pipeline.faces.mtcnn import default_detector  # here: it loads torch, which takes seconds
    from pipeline.teachers import TeacherOptions, load_teacher

    return PersonMasks(load_teacher(teacher, TeacherOptions(device=device)), default_detector())


def _inside(faces: list[Face], roi: Box) -> list[Face]:
    """The faces whose centre lies in the ROI, in its own pixels."""
    centred = [face for face in faces if roi.x <= face.center[0] < roi.right and roi.y <= face.center[1] < roi.bottom]
    return [face.seen_from(roi) for face in centred]
