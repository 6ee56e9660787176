"""Slices of a dataset: the samples whose faces, masks or light lie between stated limits.

The limits are fixed, not quantiles: a slice of one dataset means the same in another. Each property is measured or
recorded; skin tone, age and gender are never guessed from pixels. A sample without a value is in the slice UNKNOWN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.pixels.geometry import Box, Pixels

UNKNOWN = "not known"
FACE_COLUMNS = ("roi_x", "roi_y", "face_x", "face_y", "face_w", "face_h")
SLICED_COLUMNS = ("height", "face_h", "person_fraction", "border_fraction")  # what `row_slices` reads

Members = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of the property `by`; `members` (M,) are the numbers of its samples."""

    by: str
    name: str
    members: Members


@dataclass(frozen=True, slots=True)
class Limits:
    """Ascending `edges` between the slices `names`, one more than edges; a slice includes its lower edge."""

    edges: tuple[float, ...]
    names: tuple[str, ...]

    def name(self, value: float) -> str:
        """Return the slice of one value, which is a number."""
        return self.names[int(np.digitize(value, self.edges))]

    def slices(self, name: str, values: npt.NDArray[np.floating[Any]]) -> list[Slice]:
        """The slices of the property `name` from its values (N,), in order; NaN is UNKNOWN, empty ones are omitted."""
        codes = np.where(np.isnan(values), len(self.names), np.digitize(values, self.edges))
        return [
            Slice(name, part, members)
            for code, part in enumerate((*self.names, UNKNOWN))
            if len(members := np.flatnonzero(codes == code))
        ]


FACE_HEIGHT = Limits((0.2, 0.3, 0.4), ("under 20 %", "20 to 30 %", "30 to 40 %", "40 % and more"))
PERSON_SHARE = Limits((0.2, 0.4, 0.6), ("under 20 %", "20 to 40 %", "40 to 60 %", "60 % and more"))
BORDER_SHARE = Limits((1e-9, 0.1), ("untouched", "under 10 %", "10 % and more"))  # a pixel's share is over 1e-6
BRIGHTNESS = Limits((60, 90, 120, 150), ("under 60", "60 to 90", "90 to 120", "120 to 150", "150 and more"))
CONTRAST = Limits((30, 45, 60, 75), ("under 30", "30 to 45", "45 to 60", "60 to 75", "75 and more"))


@dataclass(frozen=True, slots=True)
class Light:
    """Mean and standard deviation of the luma (Rec. 601, 0..255) in the face's box, or the image without a face."""

    of: Literal["face", "image"]
    brightness: float
    contrast: float


def row_slices(rows: pa.Table) -> list[Slice]:
    """Slices of rows with SLICED_COLUMNS, by shares of the image.

    `face height` is the face's share of the image's height, `person share` the person's share of its pixels, and
    `border share` the person's share of its left, upper and right border.
    """
    return [
        *FACE_HEIGHT.slices("face height", _numbers(rows, "face_h") / _numbers(rows, "height")),
        *PERSON_SHARE.slices("person share", _numbers(rows, "person_fraction")),
        *BORDER_SHARE.slices("border share", _numbers(rows, "border_fraction")),
    ]


def name_slices(name: str, values: Sequence[str]) -> list[Slice]:
    """A slice for each distinct name (N,), in alphabetical order."""
    array = np.array(values, dtype=object)
    return [Slice(name, value, np.flatnonzero(array == value)) for value in sorted(set(values))]


def light_slices(lights: Sequence[Light]) -> list[Slice]:
    """Slices by brightness and contrast; faces and images are separate properties, each sample is in one of them."""
    slices = []
    for of in ("face", "image"):
        members = np.array([number for number, light in enumerate(lights) if light.of == of], np.int64)
        brightness = np.array([lights[number].brightness for number in members], np.float64)
        contrast = np.array([lights[number].contrast for number in members], np.float64)
        parts = [*BRIGHTNESS.slices(f"{of} brightness", brightness), *CONTRAST.slices(f"{of} contrast", contrast)]
        slices += [Slice(part.by, part.name, members[part.members]) for part in parts]
    return slices


def light(rgb: Pixels, face: Box | None) -> Light:
    """Light of an image RGB (H, W, 3); `face` lies inside it."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    part = grey if face is None else grey[face.y : face.bottom, face.x : face.right]
    return Light("image" if face is None else "face", float(part.mean()), float(part.std()))


def face_box(row: Mapping[str, Any], rgb: Pixels) -> Box | None:
    """The part of a row's face inside its image (H, W, 3); None when no face is known, or none of it inside.

    `row` has FACE_COLUMNS: the face is in pixels of the source image, and so is the ROI's corner.
    """
    x, y, w, h = (row[name] for name in ("face_x", "face_y", "face_w", "face_h"))
    if None in (x, y, w, h):
        return None
    left, top = round(x) - row["roi_x"], round(y) - row["roi_y"]
    try:
        return Box(left, top, round(w), round(h)).clamped(Box.whole(rgb))
    except ValueError:  # empty
        return None


def _numbers(rows: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """One column (N,); null is NaN."""
    return np.asarray(pc.cast(rows[name], pa.float64()).to_numpy())
