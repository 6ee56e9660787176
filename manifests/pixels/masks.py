"""The mask: 8-bit single-channel PNG of the sample's size; 0..255 = person probability, >= 128 is person.

`encode_mask` and `decode_mask` are its codec. mask_values.py and mask_encoding.py read third-party masks.
"""

import io

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import MIN_SIDE_PX, opened

PERSON_LEVEL = 128  # DESIGN: >= 128 is person
PERSON_PROB = 0.5  # the same as a probability: it rounds to 128 of 255
PERSON = 255
BOUNDARY_KERNEL_PX = 15  # SINet, section 4: the boundary is dilation minus erosion with a 15x15 square

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
        with opened(data) as image:
            image.load()
    except Exception as error:  # on damaged bytes Pillow's decoders raise anything
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
    """Whether two sizes (H, W) are one image at two scales, with a side rounded to whole pixels."""
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
