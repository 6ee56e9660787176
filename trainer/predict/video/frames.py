"""Open footage, as frames with their times: a video of any length takes the memory of a few frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from trainer.predict.inputs import Footage

DEFAULT_FPS = Fraction(25)  # where a file or a camera states none
MAX_FPS = 1000
SQUARE = Fraction(1)  # width / height of a pixel
HD_ROWS = 720  # from here on players take colours that no file states as BT.709's, below as BT.601's
TICK_SECONDS = Fraction(1, 90_000)  # MPEG's clock: fine enough for every frame rate in use


class UnusableFootage(UserError):
    """Footage that can't be read; among several inputs it is reported and skipped."""


@dataclass(frozen=True, slots=True)
class Frame:
    """RGB uint8 (H, W, 3), upright; `seconds` from the start, and its duration where that is known."""

    rgb: Pixels
    seconds: Fraction
    duration_seconds: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Video:
    """Open footage.

    `pixel_aspect` is width / height of a pixel, `tick_seconds` the unit that frames' times are stated in, `even_fps`
    the lowest even rate that holds every frame, `start_seconds` the offset from the file's own times;
    `stated_frames` is a guess where the file states only a duration.
    """

    source: Footage
    width: int
    height: int
    fps: Fraction
    upcoming: Iterator[Frame]
    even_fps: Fraction = DEFAULT_FPS
    tick_seconds: Fraction = TICK_SECONDS
    pixel_aspect: Fraction = SQUARE
    start_seconds: Fraction = Fraction(0)
    stated_frames: int | None = None

    def frames(self) -> Iterator[Frame]:
        """Every frame, once."""
        yield from self.upcoming


def usable_fps(fps: Fraction | float | None) -> Fraction:
    """`fps`, or DEFAULT_FPS where it is implausible."""
    return Fraction(fps) if fps and 0 < fps <= MAX_FPS else DEFAULT_FPS  # NaN compares false
