"""Bytes -> RGB uint8 (H, W, 3), upright, or `UnusableImage` with a reason; and RGB -> JPEG.

Colour order and range are settled here once: grey, palette, CMYK and 16-bit images become 8-bit RGB, EXIF rotation and
colour profile are applied, transparency is composited over white. The JPEG has no metadata (no GPS).
"""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from manifests.errors import UserError
from manifests.pixels import image_formats
from manifests.pixels.geometry import Pixels

MIN_SIDE_PX = 32  # SINet's smallest input
MAX_MEGAPIXELS = 100  # a phone's largest photograph; 300 MB decoded. Checked before decoding.
MAX_SCANS = 200  # of a JPEG, and of the previews in it; progressive ones have about ten each
JPEG_QUALITY = 95  # with 4:4:4 chroma: edges of hair keep their colour

_BAND_PIXELS = 1 << 22  # converted at a time
_START_OF_SCAN = b"\xff\xda"  # in a JPEG's coded data a byte of 0 follows each 0xff

# Formats that Pillow may try. Not EPS: Pillow starts Ghostscript for it.
PICTURE_FORMATS = (
    *("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM"),
    *(image_formats.HEIF, image_formats.JPEG_XL),
)
image_formats.register()

FULL_SCALES = (255, 1023, 4095, 16383, 65535)  # the whites of 8, 10, 12, 14 and 16 bits, all stored in 16-bit files

UPRIGHT = {  # EXIF orientation -> the transpose that turns the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
QUARTER_TURNS = (5, 6, 7, 8)  # orientations that change width and height

Reason = Literal["empty file", "not an image", "truncated", "animated", "too small", "too large"]


class UnusableImage(UserError):
    """A file that can't become a sample; `reason` is the value in the quarantine table."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def decode_image(data: bytes) -> Pixels:
    """Bytes of a still image -> RGB uint8 (H, W, 3), EXIF rotation applied; raises UnusableImage."""
    if not data:
        raise UnusableImage("empty file", "expected an image, found 0 bytes")
    try:
        stored, orientation = _decoded(data)
    except UnusableImage:
        raise
    except image_formats.MissingReader as error:
        raise UnusableImage("not an image", str(error)) from error
    except UnidentifiedImageError as error:
        raise UnusableImage("not an image", f"expected JPEG, PNG, WebP or the like, found {data[:16]!r}") from error
    except Image.DecompressionBombError as error:
        raise UnusableImage("too large", str(error)) from error
    except Exception as error:  # on damaged bytes Pillow's decoders raise anything: OSError, IndexError, TypeError, ...
        raise UnusableImage("truncated", f"the image is cut off or damaged ({error})") from error
    return np.ascontiguousarray(_turned(stored, orientation))


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """Open an image file for the block, without decoding its pixels; raises what Pillow raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about damaged metadata: the pixels may be sound
        yield Image.open(io.BytesIO(data), formats=PICTURE_FORMATS)


def encode_jpeg(rgb: Pixels, quality: int = JPEG_QUALITY) -> bytes:
    """RGB uint8 (H, W, 3) -> JPEG bytes without metadata; the same pixels give the same bytes."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality, subsampling="4:4:4")
    return buffer.getvalue()


def _check_usable(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        raise UnusableImage("too large", f"expected at most {MAX_MEGAPIXELS} megapixels, found {width}x{height}")
    if min(width, height) < MIN_SIDE_PX:
        raise UnusableImage("too small", f"expected at least {MIN_SIDE_PX} px a side, found {width}x{height}")
    frames = frames_of(image)
    if frames > 1:
        raise UnusableImage("animated", f"expected one still image, found {frames} frames")


def check_scans(image: Image.Image, data: bytes) -> None:
    """A progressive JPEG is decoded once over for each scan, which few bytes can ask for."""
    if image.format in ("JPEG", "MPO") and (scans := data.count(_START_OF_SCAN)) > MAX_SCANS:
        raise UnusableImage("too large", f"expected a JPEG of at most {MAX_SCANS} scans, found {scans}")


def frames_of(image: Image.Image) -> int:
    """The number of pages or frames of an opened file."""
    if image.format == "MPO":  # a JPEG with a second view or a preview behind it
        return 1
    return getattr(image, "n_frames", 1)


def upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; the image is unchanged when the EXIF can't be read."""
    orientation = _orientation(image)
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def exif_orientation(data: bytes) -> int:
    """Read the EXIF orientation of an image file, 2 to 8; 1 for an upright image, and without a readable one."""
    try:
        with opened(data) as image:
            orientation = _orientation(image)
    except Exception:  # Pillow raises anything on damaged bytes; decoding the pixels reports it
        return 1
    return orientation if orientation in UPRIGHT else 1


def upright_size(data: bytes) -> tuple[int, int]:
    """Read the height and width of an image file that `decode_image` takes, from its header, as EXIF turns it."""
    with opened(data) as image:
        width, height = image.size
        is_turned = image.format != "TIFF" and _orientation(image) in QUARTER_TURNS  # of a TIFF Pillow turns the size
    return (width, height) if is_turned else (height, width)


def white_of(most: int) -> int | None:
    """The white of the smallest range that holds values up to `most`; None beyond 16 bits."""
    return next((white for white in FULL_SCALES if white >= most), None)


def _decoded(data: bytes) -> tuple[Pixels, int]:
    """Decode to RGB uint8 (H, W, 3) as stored, and read the EXIF orientation; raises what Pillow raises."""
    with opened(data) as image:
        _check_usable(image)
        check_scans(image, data)
        image.load()
        return _to_rgb(image), _orientation(image)


def _turned(rgb: Pixels, orientation: int) -> Pixels:
    """A view of the stored pixels that is upright."""
    if orientation in QUARTER_TURNS:  # 5 is a transpose; the others turn or flip it
        rgb = rgb.transpose(1, 0, 2)
    return rgb[:: -1 if orientation in (3, 4, 7, 8) else 1, :: -1 if orientation in (2, 3, 6, 7) else 1]


def levels_of(white: int) -> Pixels:
    """uint8 (white + 1,): the level of 8 bits for each value from 0 to `white`."""
    return np.rint(np.arange(white + 1) * (255 / white)).astype(np.uint8)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged EXIF block makes Pillow raise anything, and the pixels are sound
        return 1


def _to_rgb(image: Image.Image) -> Pixels:
    """Convert a decoded image to RGB uint8 (H, W, 3), a band of rows at a time: whole copies take gigabytes."""
    if image.mode == "F":
        raise UnusableImage("not an image", "expected 8- or 16-bit pixels, found floating point numbers")
    rows = max(1, _BAND_PIXELS // image.width)
    bands = [(0, top, image.width, min(top + rows, image.height)) for top in range(0, image.height, rows)]
    if image.mode.startswith("I;16") or image.mode == "I":  # Pillow's own conversion clips at 255
        white = white_of(max(int(np.asarray(image.crop(band)).max()) for band in bands)) or FULL_SCALES[-1]
        convert = partial(_from_wide, levels=levels_of(white))
    else:
        convert = partial(_band_to_rgb, convert=_to_srgb(image))
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    for band in bands:
        rgb[band[1] : band[3]] = convert(image.crop(band))
    return rgb


def _from_wide(band: Image.Image, levels: Pixels) -> Pixels:
    """Grey levels of 10 to 16 bits (H, W) -> grey (H, W, 1) of 8 bits; `levels` are those of each stored value."""
    return levels[np.clip(np.asarray(band), 0, len(levels) - 1), None]


def _band_to_rgb(band: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Pixels:
    """RGB of a band, its transparency over white."""
    if band.has_transparency_data:
        rgba = band.convert("RGBA")
        colours = convert(rgba.convert("RGB")).convert("RGBA")
        colours.putalpha(rgba.getchannel("A"))
        return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), colours).convert("RGB"))
    if band.mode in ("P", "PA"):
        band = band.convert("RGB")
    return np.asarray(convert(band).convert("RGB"))


def _to_srgb(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Return the conversion of bands from the image's colour profile, such as Display P3, to sRGB.

    Bands stay unchanged without a profile, with a damaged one, and with one of another colour space.
    """
    profile = image.info.get("icc_profile")
    mode = "RGB" if image.has_transparency_data or image.mode in ("P", "PA") else image.mode
    if not profile or mode not in ("RGB", "CMYK", "L"):
        return _unchanged
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):  # the pixels are sound
        return _unchanged
    apply: Callable[[Image.Image], Image.Image] = transform.apply
    return apply


def _unchanged(band: Image.Image) -> Image.Image:
    return band
