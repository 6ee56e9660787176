"""A third-party mask file -> its stored values uint8 (H, W): those that a colour-true viewer shows, upright.

The EXIF orientation is applied; one page or frame only. Transparency that holds the mask is the mask; grey palettes are
looked up, colour palettes stay class indices; 16 bits and floating point become 8 bits. Ambiguous files are refused by
name. `find_encoding` (mask_encoding.py) finds the meaning of a dataset's values.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from manifests.errors import UserError
from manifests.files.reading import regular_bytes
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import (
    FULL_SCALES,
    MAX_MEGAPIXELS,
    QUARTER_TURNS,
    UPRIGHT,
    check_scans,
    exif_orientation,
    frames_of,
    levels_of,
    opened,
    upright,
    white_of,
)
from manifests.pixels.masks import same_aspect

CHANNEL_NOISE = 2  # levels by which the channels of a grey image may differ after JPEG or WebP
FULL_FRACTION = 0.9  # of a range's white: a mask of 10, 12 or 14 bits must reach it, else its range is ambiguous

_BMP_BITS = 28  # offset of the bits per pixel in a BMP's header


def read_mask_values(path: Path) -> Pixels:
    """Read a mask file with `mask_values`; UserError names the file."""
    try:
        data = regular_bytes(path)
    except OSError as error:
        raise UserError(f"expected a readable mask, found {path} ({error.strerror or error})") from error
    return mask_values(data, str(path))


def mask_values(data: bytes, name: str) -> Pixels:
    """Read the stored values of a mask, uint8 (H, W): labels, or grey levels; UserError, with `name`."""
    image = open_mask(data, name)
    try:
        return _values(image)
    except ValueError as error:
        raise UserError(f"expected a single-channel mask with values 0..255, found {error} in {name}") from error


def mask_alpha(data: bytes, name: str, *, required: bool = True) -> Pixels:
    """Read the opacity of a cut-out person, uint8 (H, W), 255 = person.

    An image without transparency yields its stored values, or UserError, with `name`, if transparency is `required`.
    """
    image = open_mask(data, name)
    if image.has_transparency_data:
        return np.asarray(image.convert("RGBA").getchannel("A"))
    if required:
        raise UserError(f"expected an image with transparency, found mode {image.mode} without in {name}")
    return mask_values(data, name)


def open_mask(data: bytes, name: str) -> Image.Image:
    """Decode the file of a mask, upright, in its own mode; UserError, with `name`, unless it is one still image."""
    try:
        with opened(data) as image:
            frames = frames_of(image)
            if frames > 1:
                raise ValueError(f"{frames} pages or frames")
            if image.width * image.height > MAX_MEGAPIXELS * 1_000_000:
                raise ValueError(f"{image.width}x{image.height}, more than {MAX_MEGAPIXELS} megapixels")
            if image.format == "BMP" and image.mode == "1" and data[_BMP_BITS] != 1:  # Pillow reads it as all black
                raise ValueError("a BMP of two colours in 8 bits; save it as PNG")
            check_scans(image, data)
            image.load()
            return upright(image)
    except Exception as error:  # on damaged bytes Pillow's decoders raise anything
        raise UserError(f"expected a readable mask of one page, found {name} ({error})") from error


def turned_as_image(values: Pixels, image: bytes, shape: tuple[int, int]) -> Pixels:
    """Turn values (h, w) by the EXIF orientation of their image's file, if only that fits the `shape` (H, W).

    Such a mask was drawn over the stored image instead of the upright one. Other values are returned unchanged.
    """
    if same_aspect(values.shape, shape) or not same_aspect(values.shape, shape[::-1]):
        return values
    orientation = exif_orientation(image)
    if orientation not in QUARTER_TURNS:
        return values
    return np.asarray(Image.fromarray(values).transpose(UPRIGHT[orientation]))


def _values(image: Image.Image) -> Pixels:
    """Stored values of an upright image; ValueError with the mode, or another reason why they are ambiguous."""
    if image.mode == "P" and not _shows_greys(image):
        return np.asarray(image)  # class indices
    if image.mode == "F":
        return _from_unit_interval(np.asarray(image))
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _from_wide(np.asarray(image))
    if image.has_transparency_data:
        return _grey_or_alpha(np.asarray(image.convert("RGBA")))
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    if image.mode == "P":
        image = image.convert("RGB")
    if image.mode == "L":
        return np.asarray(image)
    grey = _grey(np.asarray(image)) if image.mode == "RGB" else None
    if grey is None:
        raise ValueError(f"mode {image.mode}" + (" with colours" if image.mode == "RGB" else ""))
    return grey


def _shows_greys(image: Image.Image) -> bool:
    """Whether a palette holds grey levels, not class colours: all entries are grey, or the used ones share a colour."""
    colours = np.asarray(image.getpalette("RGB")).reshape(-1, 3)
    if _grey(colours) is not None:
        return True
    used = colours[np.unique(np.asarray(image)).clip(max=len(colours) - 1)]
    return image.has_transparency_data and bool((used == used[0]).all())


def _grey(rgb: Pixels) -> Pixels | None:
    """(..., 3) -> (...) if the channels are equal within CHANNEL_NOISE; else None."""
    noise = rgb.max(axis=-1).astype(np.int16) - rgb.min(axis=-1)
    return rgb[..., 1] if noise.max() <= CHANNEL_NOISE else None


def _grey_or_alpha(rgba: Pixels) -> Pixels:
    """(H, W, 4) -> the values (H, W), from the colours or from the transparency."""
    alpha, grey = rgba[..., 3], _grey(rgba[..., :3])
    if (alpha == 255).all() and grey is not None:
        return grey
    visible = alpha > 0
    if grey is not None and np.array_equal(visible, grey > 0) and (alpha[visible] == 255).all():
        return grey  # only its black is transparent
    colours = rgba[visible, :3]
    if not len(colours) or (colours == colours[0]).all():
        return _drawn_in_alpha(alpha, rgba[..., :3])
    if grey is not None and np.abs(grey.astype(np.int16) - alpha).max() <= CHANNEL_NOISE:
        return alpha  # white, multiplied by its opacity
    raise ValueError("both colours and transparency that vary; save the mask without transparency")


def _drawn_in_alpha(alpha: Pixels, rgb: Pixels) -> Pixels:
    """The opacity of one colour; ValueError when invisible pixels have colours, or one opacity covers all."""
    if not alpha.any() and (rgb != rgb[0, 0]).any():
        raise ValueError("no visible pixel, and colours that vary; save the mask without transparency")
    if alpha.any() and (alpha == alpha[0, 0]).all() and alpha[0, 0] < 255:
        raise ValueError(f"one opacity of {alpha[0, 0]} all over; save the mask without transparency")
    return alpha


def _from_unit_interval(values: npt.NDArray[np.float32]) -> Pixels:
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise ValueError(
            f"floating point numbers from {values.min():g} to {values.max():g}, not 0 to 1; save them as 8 bits"
        )
    return np.rint(values * 255).astype(np.uint8)


def _from_wide(values: npt.NDArray[np.int32]) -> Pixels:
    """16-bit labels stay; grey levels are divided by the white of their range."""
    least, most = int(values.min()), int(values.max())
    if least >= 0 and most <= FULL_SCALES[0]:
        return values.astype(np.uint8)
    white = white_of(most)
    if least < 0 or white is None or (white < FULL_SCALES[-1] and most < FULL_FRACTION * white):
        raise ValueError(f"16 bits with values from {least} to {most}, no known range; save them as 8 bits")
    return levels_of(white)[values]
