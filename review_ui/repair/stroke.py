"""A reviewer's stroke. No OpenCV in here: the server starts without it."""

from collections.abc import Sequence
from dataclasses import dataclass

from manifests.errors import UserError

MAX_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line of `points` (x, y) drawn with a brush of `radius`, in the mask's pixels."""

    points: Sequence[tuple[float, float]]
    radius: float

    def __post_init__(self) -> None:
        if not 1 <= len(self.points) <= MAX_POINTS:
            raise UserError(f"expected a stroke of 1 to {MAX_POINTS:,} points, found {len(self.points):,}")
        if not self.radius > 0:
            raise UserError(f"expected a brush with a radius above 0, found {self.radius}")
