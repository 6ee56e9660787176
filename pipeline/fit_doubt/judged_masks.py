"""Masks of several teachers with the oracle's verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.doubt import Model, kind_of
from pipeline.evaluate.teacher_score import Signs, TeacherScore

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class JudgedMasks:
    """The inputs of each mask's doubt, the oracle's verdict on it, and its teacher."""

    signs: list[Signs]
    bad: Flags
    teachers: list[str]

    @classmethod
    def of(cls, scores: Mapping[str, TeacherScore]) -> "JudgedMasks":
        bad = np.concatenate([score.bad() for score in scores.values()])
        names = [name for name, score in scores.items() for _ in score.signs]
        return cls([signs for score in scores.values() for signs in score.signs], bad, names)

    def of_kind(self, kind: str) -> "JudgedMasks":
        """Select the masks with probabilities, or those without."""
        return self._select([kind_of(signs.scores) == kind for signs in self.signs])

    def by(self, teacher: str) -> "JudgedMasks":
        return self._select([name == teacher for name in self.teachers])

    def without_second_opinion(self) -> "JudgedMasks":
        return replace(self, signs=[replace(signs, second_iou=None) for signs in self.signs])

    def has_both_verdicts(self) -> bool:
        """Whether there are good and bad masks to fit or rank."""
        return bool(0 < self.bad.sum() < len(self.bad))

    def doubts(self, models: Mapping[str, Model]) -> Floats:
        return np.array([signs.doubt(models) for signs in self.signs])

    def _select(self, wanted: Sequence[bool]) -> "JudgedMasks":
        indices = np.flatnonzero(wanted)
        signs, teachers = [self.signs[index] for index in indices], [self.teachers[index] for index in indices]
        return JudgedMasks(signs, self.bad[indices], teachers)
