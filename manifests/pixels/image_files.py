"""Which files a path stands for: a directory's pictures at any depth, a glob's matches, or one file."""

import os
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import UnusableImage, decode_image

# Those of formats that can't be decoded here (HEIC) are listed too: such files go to quarantine and are not overlooked.
PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".heic", ".heif", ".bmp", ".tif", ".tiff", ".gif", ".ppm"}
)


def list_pictures(path: Path, suffixes: Collection[str] = PICTURE_SUFFIXES) -> list[Path]:
    """The picture files below a directory (hidden ones left out), those a glob matches, or the one file; sorted.

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
    """Each with its RGB pixels; those that can't be used are said on standard error and left out."""
    for path in paths:
        try:
            yield path, decode_image(path.read_bytes())
        except UnusableImage as error:
            print(f"skipped {path}: {error}", file=sys.stderr)


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
