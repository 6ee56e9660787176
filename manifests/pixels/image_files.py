"""Image files: those that a path stands for (a directory at any depth, a glob, one file), and writing one."""

import errno
import io
import logging
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from manifests.errors import UserError, listed
from manifests.files.atomic import write_replace
from manifests.files.walk import walk_files
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_formats import looks_like_image
from manifests.pixels.images import decode_image

logger = logging.getLogger(__name__)

# Those of formats that need another package (JPEG XL) are listed too: such files go to quarantine, not overlooked.
PICTURE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
        *(".avif", ".heic", ".heif", ".hif", ".jxl", ".ppm", ".pgm", ".pbm", ".pnm"),
    }
)

_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,7}")  # of a file's kind; `.1` and `. Smith` are parts of a name
_START_BYTES = 4096  # of which 16 tell an image; the rest is the longest path
_NO_FILE = "a pipe or device, no file"
_LEADS_NOWHERE = "a link that leads nowhere"


@dataclass(frozen=True, slots=True)
class Listing:
    """The image files that a path stands for, sorted; and what can't be opened and may hide more, with the reason.

    A link that leads nowhere is among the files when its name is an image's: who reads it reports it.
    """

    files: list[Path] = field(default_factory=list)
    closed: dict[Path, str] = field(default_factory=dict)


def list_files(path: Path, suffixes: Collection[str] = PICTURE_SUFFIXES) -> Listing:
    """The image files below a directory (without hidden ones), those that a glob matches, or the one file.

    Links to folders are followed. A file without a suffix counts when it begins as an image does; `suffixes` are
    those of other files where images aren't all that is looked for. UserError when `path` isn't there or holds none.
    """
    if path.is_file():
        return Listing([path])
    if "*" in path.name and path.parent.is_dir():
        return _listing(sorted(path.parent.glob(path.name)), {}, path, suffixes)
    if not path.is_dir():
        raise UserError(f"expected a directory of pictures at {path}, found nothing there; check the path")
    walk = walk_files(path)
    return _listing(walk.files, walk.closed, path, suffixes)


def list_pictures(path: Path, suffixes: Collection[str] = PICTURE_SUFFIXES) -> list[Path]:
    """The files of `list_files`; what can't be opened is logged as one warning."""
    listing = list_files(path, suffixes)
    if listing.closed:
        logger.warning("left out %s", _named(listing.closed))
    return listing.files


def usable_pictures(paths: Iterable[Path]) -> Iterator[tuple[Path, Pixels]]:
    """Each path with its RGB pixels; unusable files are logged as warnings and skipped."""
    for path in paths:
        try:
            yield path, decode_image(read_file(path))
        except UserError as error:
            logger.warning("skipped %s: %s", path, error)


def read_file(path: Path) -> bytes:
    """The bytes of an image's file; UserError, with the system's reason, when they can't be read."""
    try:
        return regular_bytes(path)
    except OSError as error:
        raise UserError(f"expected a readable file, found {path} ({error.strerror or error})") from error


def regular_bytes(path: Path) -> bytes:
    """The bytes of a file; OSError when they can't be read, and for a pipe or device, which may never end."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a folder gives a reason of its own
        raise OSError(errno.EINVAL, _NO_FILE, str(path))
    return path.read_bytes()


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


def _listing(entries: Iterable[Path], closed: dict[Path, str], path: Path, suffixes: Collection[str]) -> Listing:
    """Sort out the images; UserError when there is none, naming what can't be opened."""
    listing = Listing(closed=dict(closed))
    for entry in entries:
        kind = entry.suffix.lower()
        has_suffix = _SUFFIX.fullmatch(kind) is not None
        if kind in suffixes:
            _add(entry, listing)
        elif not has_suffix:
            _add_by_its_bytes(entry, listing)
    if not listing.files:
        hidden = f" and {_named(listing.closed)}" if listing.closed else ""
        raise UserError(
            f"expected pictures ({', '.join(sorted(suffixes))}) in {path}, found none{hidden}; "
            "give the directory that holds them"
        )
    return listing


def _add(entry: Path, listing: Listing) -> None:
    """Take a file with an image's suffix, and a link that can't be followed; a pipe, say, is no file."""
    try:
        if stat.S_ISREG(entry.stat().st_mode):
            listing.files.append(entry)
        elif not entry.is_dir():
            listing.closed[entry] = _NO_FILE
    except OSError:
        listing.files.append(entry)


def _add_by_its_bytes(entry: Path, listing: Listing) -> None:
    """Take a file without a suffix when it begins as an image does."""
    try:
        if not stat.S_ISREG(entry.stat().st_mode):
            return
        with entry.open("rb") as file:
            start = file.read(_START_BYTES)
        if looks_like_image(start):
            listing.files.append(entry)
        elif _is_link_as_text(entry, start):
            listing.closed[entry] = "a link that was unpacked as text"
    except OSError as error:
        listing.closed[entry] = _LEADS_NOWHERE if entry.is_symlink() else error.strerror or str(error)


def _is_link_as_text(entry: Path, text: bytes) -> bool:
    """Whether a file's text is the path of something there: what git and unzip write where links can't be made."""
    if not text or len(text) == _START_BYTES or b"\n" in text or b"\0" in text:
        return False
    return (entry.parent / os.fsdecode(text)).exists()


def _named(closed: Mapping[Path, str]) -> str:
    return listed("that can't be opened", [f"{path}: {reason}" for path, reason in closed.items()])
