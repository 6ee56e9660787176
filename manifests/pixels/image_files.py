"""Image files: those that a path stands for (a directory at any depth, a glob, one file), and writing one."""

import io
import logging
import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from manifests.errors import UserError, listed
from manifests.files.atomic import write_replace
from manifests.files.reading import NO_FILE, regular_bytes
from manifests.files.walk import walk_files
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_formats import looks_like_image
from manifests.pixels.images import decode_image

logger = logging.getLogger(__name__)

# Including formats that need another package (JPEG XL): such files go to quarantine instead of being overlooked.
PICTURE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
        *(".avif", ".heic", ".heif", ".hif", ".jxl", ".ppm", ".pgm", ".pbm", ".pnm"),
    }
)

# Files of cameras that are no image to read; a folder of photographs is expected to hold them.
RAW_SUFFIXES = frozenset(
    {
        *(".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".sr2", ".dng", ".raf", ".orf"),
        *(".rw2", ".pef", ".raw", ".srw", ".x3f", ".3fr", ".iiq"),
    }
)
VIDEO_SUFFIXES = frozenset({".mov", ".mp4", ".m4v", ".avi", ".mkv", ".mts", ".m2ts", ".3gp", ".webm"})

_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,7}")  # of a file type; `.1` and `. Smith` are parts of a name
_START_BYTES = 4096  # 16 identify an image; 4096 are the longest path
_LEADS_NOWHERE = "a link that leads nowhere"


@dataclass(frozen=True, slots=True)
class Listing:
    """The image files that a path stands for, sorted; `closed` are entries that can't be opened, with the reason.

    A broken link with an image's name is among the files: its reader reports it. `unread` counts raw photographs and
    videos by their suffix.
    """

    files: list[Path] = field(default_factory=list)
    closed: dict[Path, str] = field(default_factory=dict)
    unread: Counter[str] = field(default_factory=Counter)

    def unread_line(self) -> str:
        """The counts of `unread` and what to do, empty without any."""
        counts = ", ".join(f"{count} {suffix}" for suffix, count in sorted(self.unread.items()))
        remedy = "; export raw photographs as JPEG" if self.unread.keys() & RAW_SUFFIXES else ""
        return f"{counts} file(s), which are not read{remedy}" if self.unread else ""


def list_files(path: Path, suffixes: Collection[str] = PICTURE_SUFFIXES) -> Listing:
    """The image files below a directory (without hidden ones), those that a glob matches, or the one file.

    Links to folders are followed. A file without a suffix counts when its first bytes are an image's. `suffixes` may
    name other files as well, such as videos. UserError when `path` is missing or holds none.
    """
    if path.is_file():
        return Listing([path])
    if "*" in path.name and path.parent.is_dir():
        return _listing(sorted(path.parent.glob(path.name)), {}, path, suffixes)
    if not path.is_dir():
        raise UserError(f"expected a directory of images at {path}, found nothing there; check the path")
    walk = walk_files(path)
    return _listing(walk.files, walk.closed, path, suffixes)


def list_pictures(path: Path, suffixes: Collection[str] = PICTURE_SUFFIXES) -> list[Path]:
    """The files of `list_files`; logs one warning on entries that can't be opened."""
    listing = list_files(path, suffixes)
    if listing.closed:
        logger.warning("left out %s", _closed_line(listing.closed))
    return listing.files


def usable_pictures(paths: Iterable[Path]) -> Iterator[tuple[Path, Pixels]]:
    """Each path with its RGB pixels; unusable files are logged as warnings and skipped."""
    for path in paths:
        try:
            yield path, decode_image(read_file(path))
        except UserError as error:
            logger.warning("skipped %s: %s", path, error)


def read_file(path: Path) -> bytes:
    """The bytes of an image file; UserError, with the system's reason, when they can't be read."""
    try:
        return regular_bytes(path)
    except OSError as error:
        raise UserError(f"expected a readable file, found {path} ({error.strerror or error})") from error


def save_image(rgb: Pixels, path: Path) -> None:
    """Write RGB uint8 (H, W, 3) in the format of the suffix, whole or not at all; UserError for another suffix."""
    format_name = Image.registered_extensions().get(path.suffix.lower())
    if format_name not in Image.SAVE:
        raise UserError(f"expected an image's name such as sheet.png, found {path}")
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format_name)
    write_replace(path, buffer.getvalue())


def source_uri(path: Path) -> str:
    """The path as the manifest's `source_uri`: absolute, and text; bytes that aren't UTF-8 are written as \\xNN."""
    return os.fsencode(path.absolute()).decode("utf-8", "backslashreplace")


def _listing(entries: Iterable[Path], closed: dict[Path, str], path: Path, suffixes: Collection[str]) -> Listing:
    """Select the images; UserError, listing entries that can't be opened, when there is none."""
    listing = Listing(closed=dict(closed))
    for entry in entries:
        suffix = entry.suffix.lower()
        if suffix in suffixes:
            _add(entry, listing)
        elif suffix in RAW_SUFFIXES or suffix in VIDEO_SUFFIXES:
            listing.unread[suffix] += 1
        elif not _SUFFIX.fullmatch(suffix):
            _add_by_its_bytes(entry, listing)
    if not listing.files:
        unopened = f" and {_closed_line(listing.closed)}" if listing.closed else ""
        unopened += f" but {listing.unread_line()}" if listing.unread else ""
        raise UserError(
            f"expected images ({', '.join(sorted(suffixes))}) in {path}, found none{unopened}; "
            "pass the directory that holds them"
        )
    return listing


def _add(entry: Path, listing: Listing) -> None:
    """Add a file with an image's suffix, or a link that can't be followed; pipes and devices are closed entries."""
    try:
        if stat.S_ISREG(entry.stat().st_mode):
            listing.files.append(entry)
        elif not entry.is_dir():
            listing.closed[entry] = NO_FILE
    except OSError:
        listing.files.append(entry)


def _add_by_its_bytes(entry: Path, listing: Listing) -> None:
    """Add a file without a suffix when its first bytes are an image's."""
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
    """Whether a file's text is an existing path: git and unzip write that when they can't create a link."""
    if not text or len(text) == _START_BYTES or b"\n" in text or b"\0" in text:
        return False
    return (entry.parent / os.fsdecode(text)).exists()


def _closed_line(closed: Mapping[Path, str]) -> str:
    return listed("that can't be opened", [f"{path}: {reason}" for path, reason in closed.items()])
