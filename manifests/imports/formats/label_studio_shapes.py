"""Regions of a Label Studio annotation -> pixels: `value` -> bool (H, W).

Brush strokes and bitmasks are read by their alpha, 128 and above is person; polygons, rectangles and ellipses cover the
pixels whose centre lies inside. Coordinates are in percent of the image. `rotation` turns clockwise, a rectangle about
its top left corner and an ellipse about its centre (label-studio, RectRegion and EllipseRegion; the SDK's
`convert_annotation_to_yolo_obb` reads rectangles likewise).
"""

import base64
import binascii
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from manifests.errors import UserError
from manifests.imports.drawn_person import Fault, all_faulty, outline_fault
from manifests.imports.formats.coco import check_segmentation, draw
from manifests.pixels.brush_rle import decode_brush
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import MAX_MEGAPIXELS
from manifests.pixels.mask_values import mask_alpha
from manifests.pixels.masks import PERSON, PERSON_LEVEL, Mask

Region = dict[str, Any]  # an entry of an annotation's `result`
Value = dict[str, Any]  # of a region
Draw = Callable[[], Mask]
Kind = Literal["brush stroke", "bitmask", "polygon", "rectangle", "ellipse", "keypoint", "other shape"]

AREAS: tuple[Kind, ...] = ("brush stroke", "bitmask", "polygon", "rectangle", "ellipse")

_DATA_URL = "data:image/png;base64,"
_KEYS: dict[Kind, tuple[str, ...]] = {  # the first kind whose keys a region has
    "brush stroke": ("rle",),
    "bitmask": ("imageDataURL",),
    "polygon": ("points",),
    "ellipse": ("x", "y", "radiusX", "radiusY"),
    "rectangle": ("x", "y", "width", "height"),
    "keypoint": ("x", "y", "width"),
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """An image's regions, each with what draws it and why it can't be a person (None when it can)."""

    height: int
    width: int
    draws: Sequence[Draw]
    faults: Sequence[Fault | None]  # of each region

    @property
    def fault(self) -> Fault | None:
        """Why no region can be a person; None when one can."""
        return all_faulty(self.faults)

    def person(self) -> Mask:
        """The union, bool (height, width)."""
        person = np.zeros((self.height, self.width), bool)
        for draw_region in self.draws:
            person |= draw_region()
        return person

    def mask(self) -> Pixels:
        """The union, uint8 (height, width) of 0 and 255."""
        return self.person().astype(np.uint8) * np.uint8(PERSON)


def kind_of(value: Value) -> Kind | None:
    """The kind of a region; None for one without a place in the image, such as a choice."""
    for kind, keys in _KEYS.items():
        if all(key in value for key in keys):
            return kind
    is_shape = "vertices" in value or any(key.endswith("labels") and key != "labels" for key in value)
    return "other shape" if is_shape else None


def drawing_of(regions: Sequence[Region]) -> Drawing:
    """The drawing of regions of AREAS; ValueError when one is broken or their image sizes differ."""
    sizes = {(region.get("original_height"), region.get("original_width")) for region in regions}
    height, width = sizes.pop()
    if sizes or type(height) is not int or type(width) is not int or min(height, width) < 1:
        raise ValueError("regions without one original_width and original_height")
    if height * width > MAX_MEGAPIXELS * 1_000_000:
        raise ValueError(f"{width}x{height}, more than {MAX_MEGAPIXELS} megapixels")
    parts = [_draw_of(region["value"], height, width) for region in regions]
    return Drawing(height, width, [draw for draw, _ in parts], [fault for _, fault in parts])


def _draw_of(value: Value, height: int, width: int) -> tuple[Draw, Fault | None]:
    """What draws a region of AREAS as bool (height, width), and its fault; ValueError for a broken one."""
    match kind_of(value):
        case "brush stroke":
            rle = _bytes(value["rle"])
            decode_brush(rle, height, width)
            return partial(decode_brush, rle, height, width), None  # as bytes: a list takes eight times the memory
        case "bitmask":
            png = _png(value["imageDataURL"])
            _decode_bitmask(png, height, width)
            return partial(_decode_bitmask, png, height, width), None
        case "polygon":
            points = value["points"]
        case "rectangle":
            points = _rectangle(value, height, width)
        case "ellipse":
            x, y, x_radius, y_radius, degrees = _numbers(value, "x", "y", "radiusX", "radiusY")
            box = [[x - x_radius, y - y_radius], [x + x_radius, y + y_radius]]
            sizes = x / 100 * width, y / 100 * height, x_radius / 100 * width, y_radius / 100 * height
            return partial(_ellipse, *sizes, degrees, height, width), outline_fault(box, 100, 100)
        case other:
            raise ValueError(f"a {other}, which is no mask")
    polygon = [float(part) * size / 100 for x, y in points for part, size in ((x, width), (y, height))]
    check_segmentation([polygon], height, width)
    return partial(_polygon, polygon, height, width), outline_fault(points, 100, 100)


def _bytes(rle: Any) -> bytes:
    if not isinstance(rle, list) or not all(type(number) is int and 0 <= number < 256 for number in rle):
        raise ValueError("a brush RLE that isn't a list of bytes")
    return bytes(rle)


def _png(url: Any) -> bytes:
    if not isinstance(url, str) or not url.startswith(_DATA_URL):
        raise ValueError(f"a bitmask that isn't a PNG in a data URL: {str(url)[:40]!r}")
    try:
        return base64.b64decode(url.removeprefix(_DATA_URL), validate=True)
    except binascii.Error as error:
        raise ValueError(f"a bitmask that can't be read ({error})") from error


def _decode_bitmask(png: bytes, height: int, width: int) -> Mask:
    try:
        opacity = mask_alpha(png, "a bitmask", required=False)
    except UserError as error:
        raise ValueError(str(error)) from error
    if opacity.shape != (height, width):
        raise ValueError(f"a bitmask of {opacity.shape[1]}x{opacity.shape[0]} for {width}x{height}")
    return opacity >= PERSON_LEVEL


def _polygon(corners: list[float], height: int, width: int) -> Mask:
    """x, y, x, y, ... in pixels -> bool (height, width)."""
    return draw([[corners]], height, width) > 0


def _rectangle(value: Value, height: int, width: int) -> list[tuple[float, float]]:
    """The four corners, in percent; the sides are turned in pixels, where angles are true."""
    x, y, x_side, y_side, degrees = _numbers(value, "x", "y", "width", "height")
    cosine, sine, aspect = math.cos(math.radians(degrees)), math.sin(math.radians(degrees)), width / height
    along = x_side * cosine, x_side * sine * aspect
    down = -y_side * sine / aspect, y_side * cosine
    return [
        (x, y),
        (x + along[0], y + along[1]),
        (x + along[0] + down[0], y + along[1] + down[1]),
        (x + down[0], y + down[1]),
    ]


def _ellipse(x: float, y: float, x_radius: float, y_radius: float, degrees: float, height: int, width: int) -> Mask:
    """Centre and radii in pixels -> bool (height, width); only the box around it is computed."""
    person = np.zeros((height, width), bool)
    reach = max(x_radius, y_radius)
    if min(x_radius, y_radius) <= 0:
        return person
    left, right = (int(np.clip(edge, 0, width)) for edge in (x - reach - 1, x + reach + 2))
    top, bottom = (int(np.clip(edge, 0, height)) for edge in (y - reach - 1, y + reach + 2))
    right_of, below = np.arange(left, right) + 0.5 - x, np.arange(top, bottom)[:, np.newaxis] + 0.5 - y
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along, across = right_of * cosine + below * sine, below * cosine - right_of * sine
    person[top:bottom, left:right] = (along / x_radius) ** 2 + (across / y_radius) ** 2 <= 1
    return person


def _numbers(value: Value, *keys: str) -> list[float]:
    """The numbers of a shape, then its rotation; ValueError for an unusable one."""
    numbers = [value[key] for key in keys] + [value.get("rotation") or 0]
    if not all(type(number) in (int, float) and abs(number) < 1e6 for number in numbers):  # NaN isn't below either
        raise ValueError("a shape whose place and size aren't numbers")
    return numbers
