"""The mask: 8-bit single-channel PNG of the sample's size; 0..255 = person probability, >= 128 is person.

`encode_mask` and `decode_mask` are its codec. `MaskEncoding` reads what others call a mask: 0/1, 0/255, grey
levels, and label maps where one number means person.
"""

import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import MIN_SIDE_PX, PICTURE_FORMATS

PERSON_LEVEL = 128  # DESIGN: >= 128 is person
PERSON_PROB = 0.5  # the same, of probabilities: it rounds to 128 of 255
PERSON = 255
BOUNDARY_KERNEL_PX = 15  # SINet, section 4: the boundary is dilation minus erosion with a 15x15 square
MAX_LABELS = 32  # more distinct values than this, up to 255, are grey levels and not labels

Mask = npt.NDArray[np.bool_]


def encode_mask(mask: Pixels) -> bytes:
    """uint8 (H, W) -> PNG bytes; the same mask gives the same bytes."""
    if mask.dtype != np.uint8 or mask.ndim != 2:
        raise ValueError(f"expected a uint8 mask (H, W), found {mask.dtype} {mask.shape}")
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def decode_mask(data: bytes) -> Pixels:
    """PNG bytes -> uint8 (H, W); UserError when it is not an 8-bit single-channel image."""
    try:
        image = _load(data)
    except ValueError as error:
        raise UserError(f"expected a mask PNG, found a file that can't be read ({error})") from error
    if image.mode != "L":
        raise UserError(f"expected an 8-bit single-channel mask PNG, found mode {image.mode}")
    return np.asarray(image)


def mask_from_prob(person_prob: npt.NDArray[np.float32]) -> Pixels:
    """Person probability float (H, W) in [0, 1] -> mask uint8 (H, W)."""
    return np.rint(person_prob * 255.0).astype(np.uint8)


def boundary_band(person: Mask, kernel_px: int = BOUNDARY_KERNEL_PX) -> Mask:
    """bool (H, W) -> bool (H, W): dilation minus erosion with a square of `kernel_px`."""
    kernel = np.ones((kernel_px, kernel_px), np.uint8)
    return cv2.morphologyEx(person.astype(np.uint8), cv2.MORPH_GRADIENT, kernel).astype(bool)


def same_aspect(shape: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether sizes (H, W) and (H, W) are one image at two scales, but for a side's rounding to whole pixels."""
    (height, width), (full_height, full_width) = sorted((shape, other), key=lambda size: size[0] * size[1])
    if min(height, width) < MIN_SIDE_PX:
        return False
    return abs(full_height * width / full_width - height) < 1 or abs(full_width * height / full_height - width) < 1


def resize_mask(mask: Pixels, shape: tuple[int, int]) -> Pixels:
    """Mask uint8 (H, W) at the scale of `shape` (H, W); 0 and 255 stay 0 and 255, probabilities are interpolated."""
    height, width = shape
    if ((mask == 0) | (mask == PERSON)).all():
        interpolation = cv2.INTER_NEAREST_EXACT  # INTER_NEAREST is half a pixel off
    else:
        interpolation = cv2.INTER_AREA if mask.shape[0] > height else cv2.INTER_LINEAR
    return cv2.resize(mask, (width, height), interpolation=interpolation).astype(np.uint8, copy=False)


@dataclass(frozen=True, slots=True)
class MaskEncoding:
    """The encoding of a dataset's masks: which values occur, and which are person; `inverted`: all the others."""

    kind: Literal["0/1", "0/255", "grey levels", "labels"]
    person_label: int | None = None
    inverted: bool = False

    def __str__(self) -> str:
        text = f"labels, person = {self.person_label}" if self.kind == "labels" else self.kind
        return f"{text}, inverted" if self.inverted else text

    def to_mask(self, values: Pixels) -> Pixels:
        """Stored values uint8 (H, W) -> mask uint8 (H, W)."""
        mask = self._as_stored(values)
        return np.uint8(PERSON) - mask if self.inverted else mask

    def _as_stored(self, values: Pixels) -> Pixels:
        match self.kind:
            case "0/1":
                return values * np.uint8(PERSON)
            case "0/255" | "grey levels":
                return values
            case "labels":
                return np.where(values == self.person_label, PERSON, 0).astype(np.uint8)


def read_mask_values(path: Path) -> Pixels:
    """The stored values of a mask file, as `mask_values` gives them; UserError naming the file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"expected a readable mask, found {path} ({error})") from error
    return mask_values(data, str(path))


def mask_values(data: bytes, name: str) -> Pixels:
    """The stored values of a mask, uint8 (H, W): palette indices, grey levels or labels.

    RGB pictures are taken when their three channels are equal; UserError, with `name`, for the rest.
    """
    image = _readable(data, name)
    if image.mode == "1":
        image = image.convert("L")
    values = np.asarray(image)
    if image.mode in ("RGB", "RGBA"):
        values = values[..., :3]
        if (values == values[..., :1]).all():
            values = values[..., 0]
    if values.ndim != 2 or values.min() < 0 or values.max() > 255:
        raise UserError(f"expected a single-channel mask with values 0..255, found mode {image.mode} in {name}")
    return values.astype(np.uint8)


def mask_alpha(data: bytes, name: str, *, required: bool = True) -> Pixels:
    """The opacity of a cut-out person, uint8 (H, W), 255 = person.

    Of a picture without transparency the stored values, unless transparency is `required`: then UserError, with `name`.
    """
    image = _readable(data, name)
    if image.has_transparency_data:
        return np.asarray(image.convert("RGBA").getchannel("A"))
    if required:
        raise UserError(f"expected a picture with transparency, found mode {image.mode} without in {name}")
    return mask_values(data, name)


def find_encoding(values: Iterable[int], person_label: int | None = None) -> MaskEncoding:
    """The encoding that explains all the values seen in a dataset's masks.

    `person_label` states the label that means person, and makes label maps of masks that could be either.
    Raises UserError when several labels occur and none was stated.
    """
    found = set(values)
    if person_label is not None:
        if person_label not in found:
            raise UserError(f"expected the label {person_label} in the masks, found only {_list(found)}")
        return MaskEncoding("labels", person_label)
    if found <= {0, 1}:
        return MaskEncoding("0/1")
    if found <= {0, 255}:
        return MaskEncoding("0/255")
    if len(found) > MAX_LABELS and PERSON in found:
        return MaskEncoding("grey levels")
    labels = found - {0, 255}  # 255 is "ignore" in PASCAL VOC's label maps
    if len(labels) == 1 and 0 in found and (255 not in found or 1 < max(labels) <= MAX_LABELS):
        return MaskEncoding("labels", labels.pop())  # 0, 1, 255 may mix 0/1 with 0/255; 0, 128, 255 is a trimap
    raise UserError(
        f"expected masks of 0/1, 0/255 or one label, found the values {_list(found)}; "
        "say which one is person with --person-label N"
    )


def _readable(data: bytes, name: str) -> Image.Image:
    try:
        return _load(data)
    except ValueError as error:
        raise UserError(f"expected a readable mask, found {name} ({error})") from error


def _load(data: bytes) -> Image.Image:
    """A still image, its pixels decoded; ValueError with the decoder's message when that fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image: Image.Image = Image.open(io.BytesIO(data), formats=PICTURE_FORMATS)
            image.load()
    except Exception as error:  # on damaged bytes Pillow's decoders raise anything
        raise ValueError(str(error)) from error
    return image


def _list(values: Iterable[int]) -> str:
    ordered = sorted(values)
    return ", ".join(map(str, ordered[:12])) + (", ..." if len(ordered) > 12 else "")
