"""Source images that are blobs as they are: linked into the blob store, or referred to where they lie.

An import stores a source image as JPEG of our own: upright, in sRGB, without metadata. Under `link` and `reference` the
source's bytes are the blob instead, where every reader sees the same picture in them: a JPEG or PNG of 8 bits, not
turned by its EXIF, without transparency. A picture that says where it was taken is stored anew too: exports would
carry that out of the house. Its other metadata (camera, date) stays in it.
"""

from pathlib import Path
from typing import Literal, get_args

from PIL import ExifTags

from manifests.errors import UserError
from manifests.files.blobs import Blob, BlobStore
from manifests.pixels.images import opened

BlobMode = Literal["copy", "link", "reference"]
BLOB_MODES: tuple[str, ...] = get_args(BlobMode)

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png"}
_MODES = ("RGB", "L", "P")


class StoredAnew(Exception):
    """The image can't be a blob as it is; the text gives a reason that fits many images."""


def put_original(blobs: BlobStore, data: bytes, uri: str, mode: BlobMode) -> Blob:
    """The blob that is the source image itself, which lies at `uri` and whose sound bytes are `data`.

    StoredAnew when the bytes or their place don't allow it; UserError when the file system doesn't.
    """
    if mode == "copy":
        raise ValueError("expected link or reference, found copy")
    suffix = original_suffix(data)
    source = Path(uri)
    if not _holds(source, data):
        raise StoredAnew("no files of their own (in an archive, say)")
    try:
        return blobs.put_link(source, data, suffix, symbolic=mode == "reference")
    except OSError as error:
        kind, other = ("symbolic", "copy") if mode == "reference" else ("hard", "copy or reference")
        raise UserError(
            f"expected {blobs.root} to take a {kind} link to {source}, found that it can't ({error.strerror}); "
            f"take --blobs {other}"
        ) from error


def original_suffix(data: bytes) -> str:
    """The suffix of the blob whose bytes are this image's own; StoredAnew when they can't be one's."""
    with opened(data) as image:
        if image.format not in _SUFFIXES:
            raise StoredAnew("neither JPEG nor PNG")
        if image.mode not in _MODES or image.has_transparency_data:
            raise StoredAnew("not 8-bit colours or greys, or transparent")
        try:
            exif = image.getexif()
            turned, placed = exif.get(ExifTags.Base.Orientation, 1) != 1, bool(exif.get_ifd(ExifTags.IFD.GPSInfo))
        except Exception as error:  # a damaged EXIF block makes Pillow raise anything
            raise StoredAnew("with damaged EXIF") from error
        suffix = _SUFFIXES[image.format]
    if turned:
        raise StoredAnew("turned by their EXIF")
    if placed:
        raise StoredAnew("saying where they were taken")
    return suffix


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except (OSError, ValueError):  # nothing there, or a URL, or bytes that were no UTF-8 and are spelt out
        return False
