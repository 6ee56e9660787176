"""Mean of several predictions of one image: teachers, input sizes, the image and its mirror image."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from manifests.pixels.masks import PERSON_PROB
from manifests.pixels.metrics import mask_iou
from pipeline.faces.face import Face
from pipeline.teachers.teacher import Portrait, Prediction, Prob, Teacher


class Ensemble:
    """The mean of its members' probabilities. Its disagreement is 1 - the mean person IoU of a member with the mean."""

    def __init__(self, members: Sequence[Teacher], *, name: str) -> None:
        self.name = name
        self.settings = " + ".join(f"{member.name} {member.settings}" for member in members)
        self.batch_size = min(member.batch_size for member in members)
        self._members = members

    def predict(self, portraits: Sequence[Portrait]) -> list[Prediction]:
        predictions = zip(*(member.predict(portraits) for member in self._members), strict=True)
        return [_mean([prediction.prob for prediction in of_one]) for of_one in predictions]


class Mirrored:
    """A teacher that sees every image mirrored; its prediction is mirrored back."""

    def __init__(self, teacher: Teacher) -> None:
        self.name = teacher.name
        self.settings = f"{teacher.settings} mirrored"
        self.batch_size = teacher.batch_size
        self._teacher = teacher

    def predict(self, portraits: Sequence[Portrait]) -> list[Prediction]:
        predictions = self._teacher.predict([_mirrored(portrait) for portrait in portraits])
        return [replace(each, prob=np.ascontiguousarray(each.prob[:, ::-1])) for each in predictions]


def _mean(probs: Sequence[Prob]) -> Prediction:
    mean = np.asarray(np.mean(np.stack(probs), axis=0), np.float32)
    person = np.asarray(mean >= PERSON_PROB)
    ious = [mask_iou(prob >= PERSON_PROB, person) for prob in probs]
    return Prediction(mean, disagreement=1.0 - float(np.mean(ious)))


def _mirrored(portrait: Portrait) -> Portrait:
    width = portrait.rgb.shape[1]
    faces = [Face(width - face.x - face.w, face.y, face.w, face.h, face.prob) for face in portrait.faces]
    return Portrait(np.ascontiguousarray(portrait.rgb[:, ::-1]), faces)
