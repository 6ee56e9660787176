"""Image files: those that a path stands for (a directory at any depth, a glob, one file), and writing one."""

import io
import logging
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from PIL import Image

from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import UnusableImage, decode_image

logger = logging.getLogger(__name__)

# Those of formats that can't be decoded here (HEIC) are listed too: such files go to quarantine and are not overlooked.
PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".heic", ".heif", ".bmp", ".tif", ".tiff", ".gif", ".ppm"}
)


def list_pictures(path: Path, suffixes: Collection[str] = PICTURE_SUFFIXES) -> list[Path]:
    """The image files below a directory (without hidden ones), those that a glob matches, or the one file; sorted.

    `suffixes` are those of other files where pictures aren't all that is looked for. UserError when `path` isn't there
    or holds no file with one of them.
    """
    if path.is_file():
        return [path]
    if "*" in path.name and path.parent.is_dir():
        return _pictures_among(path.parent.glob(path.name), path, suffixes)
    if not path.is_dir():
        raise UserError(f"expected a directory of pictures at {path}, found nothing there; check the path")
    return _pictures_among((entry for entry in path.rglob("*") if not _hidden(entry.relative_to(path))), path, suffixes)


def usable_pictures(paths: Iterable[Path]) -> Iterator[tuple[Path, Pixels]]:
    """Each path with its RGB pixels; unusable files are logged as warnings and skipped."""
    for path in paths:
        try:
            yield path, decode_image(path.read_bytes())
        except UnusableImage as error:
            logger.warning("skipped %s: %s", path, error)


def save_image(rgb: Pixels, path: Path) -> None:
    """Write RGB uint8 (H, W, 3) in the format of the suffix, whole or not at all; UserError for another suffix."""
    format_name = Image.registered_extensions().get(path.suffix.lower())
    if format_name not in Image.SAVE:
        raise UserError(f"expected a picture's name such as sheet.png, found {path}")
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format_name)
    write_replace(path, buffer.getvalue())


def source_uri(path: Path) -> str:
    """The path as the manifest's `source_uri`: absolute, and text; bytes that are no UTF-8 are written as \\xNN."""
    return os.fsencode(path.absolute()).decode("utf-8", "backslashreplace")


def _pictures_among(entries: Iterable[Path], path: Path, suffixes: Collection[str]) -> list[Path]:
    found = sorted(entry for entry in entries if entry.suffix.lower() in suffixes and entry.is_file())
    if not found:
        raise UserError(
            f"expected pictures ({', '.join(sorted(suffixes))}) in {path}, found none; "
            "give the directory that holds them"
        )
    return found


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)
