"""The protocol of teachers: portraits with the faces in them -> a person probability per pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from manifests.pixels.geometry import Pixels
from pipeline.faces.face import Face

Prob = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Portrait:
    """RGB uint8 (H, W, 3), and the faces in it in its own pixels, the one it was cut around among them."""

    rgb: Pixels
    faces: list[Face]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Person probability (H, W) in [0, 1]; for a mean of several, their disagreement in [0, 1]."""

    prob: Prob
    disagreement: float | None = None


class Teacher(Protocol):
    """Proposes masks. Safe to use from threads.

    `name` is `kind@12 hex digits` of its weights or settings. `settings` is everything else that decides its output.
    `batch_size` is its best number of portraits at a time.
    """

    name: str
    settings: str
    batch_size: int

    def predict(self, portraits: Sequence[Portrait]) -> list[Prediction]:
        """One prediction for each portrait, of its size; they may differ in size."""
        ...
