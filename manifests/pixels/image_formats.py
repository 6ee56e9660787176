"""Formats that Pillow reads with another package: HEIC and HEIF with pillow-heif, JPEG XL with pillow-jxl-plugin.

`register` registers them with Pillow; a package is loaded when the first of its files is opened. Without the package
such a file raises MissingReader, which names it.
"""

import importlib
from typing import IO, Any

from PIL import Image, ImageFile

HEIF, JPEG_XL = "HEIF", "JXL"  # the packages' names for them

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_JPEG_XL_STARTS = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*", *_JPEG_XL_STARTS)


class MissingReader(Exception):
    """An image of a format whose package isn't installed; the text names the package."""


def register() -> None:
    """Let Pillow open HEIF and JPEG XL; a second call changes nothing."""
    Image.register_open(HEIF, _open_heif, _is_heif)  # also replaces pillow-heif's own, which others register
    if JPEG_XL not in Image.OPEN:
        Image.register_open(JPEG_XL, _open_jpeg_xl, _is_jpeg_xl)


def looks_like_image(start: bytes) -> bool:
    """Whether a file's first bytes (16 or more) are those of an image of a known format."""
    if start[4:8] == b"ftyp":
        return start[8:12] in (*_HEIF_BRANDS, b"avif", b"avis")
    is_webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    is_bmp = start[:2] == b"BM" and start[6:10] == bytes(4)  # two bytes that are always 0
    is_netpbm = start[:1] == b"P" and start[1:2] in b"123456" and start[2:3].isspace()
    return start.startswith(_STARTS) or is_webp or is_bmp or is_netpbm


def _is_heif(prefix: bytes) -> bool:
    return prefix[4:8] == b"ftyp" and prefix[8:12] in _HEIF_BRANDS


def _is_jpeg_xl(prefix: bytes) -> bool:
    return prefix.startswith(_JPEG_XL_STARTS)


def _open_heif(file: IO[bytes], name: str | bytes) -> ImageFile.ImageFile:
    package = _package("pillow_heif", "HEIC", "pillow-heif")
    return _opened(package.HeifImageFile, file, name)


def _open_jpeg_xl(file: IO[bytes], name: str | bytes) -> ImageFile.ImageFile:
    _package("pillow_jxl", "JPEG XL", "pillow-jxl-plugin")  # it replaces this reader by its own
    if Image.OPEN[JPEG_XL][0] is _open_jpeg_xl:
        raise MissingReader("expected a pillow_jxl that reads JPEG XL, found another; pip install pillow-jxl-plugin")
    return _opened(Image.OPEN[JPEG_XL][0], file, name)


def _package(module: str, image_format: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingReader(
            f"expected JPEG, PNG, WebP or the like, found {image_format}; pip install {package}, or convert it"
        ) from error


def _opened(opener: Any, file: IO[bytes], name: str | bytes) -> ImageFile.ImageFile:
    """Open the image; OSError when it is damaged: Pillow would try other formats after a SyntaxError."""
    try:
        image: ImageFile.ImageFile = opener(file, name)
    except Exception as error:  # the packages raise ValueError, SyntaxError, RuntimeError, ...
        raise OSError(" ".join(str(error).split())) from error
    return image
