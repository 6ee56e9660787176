"""Source images used as blobs unchanged: linked into the blob store, or referenced in place.

An import stores a source image as a JPEG of its own: upright, in sRGB, without metadata. With `link` and `reference`
the blob is the source's bytes, if every reader decodes the same pixels from them: a JPEG or PNG of 8 bits, not turned
by its EXIF, without transparency. An image that holds its location is stored as JPEG, too: exports would publish that.
Other metadata (camera, date) stays in the bytes.
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
    """The image can't be a blob unchanged; the text is a reason that fits many images."""


def put_original(blobs: BlobStore, data: bytes, uri: str, mode: BlobMode) -> Blob:
    """Link (hard, or symbolic for `reference`) the source image at `uri`, whose sound bytes are `data`, as a blob.

    StoredAnew when the bytes or their place don't allow it; UserError when the file system doesn't.
    """
    suffix = original_suffix(data)
    source = Path(uri)
    if not _holds(source, data):
        raise StoredAnew("without a file of their own, as in an archive")
    try:
        return blobs.put_link(source, data, suffix, symbolic=mode == "reference")
    except OSError as error:
        kind, other = ("symbolic", "copy") if mode == "reference" else ("hard", "copy or reference")
        raise UserError(
            f"expected {blobs.root} to take a {kind} link to {source}, found that it can't ({error.strerror}); "
            f"pass --blobs {other}"
        ) from error


def original_suffix(data: bytes) -> str:
    """The suffix of a blob with this image's bytes; StoredAnew when they can't be a blob."""
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
        raise StoredAnew("with their location in EXIF")
    return suffix


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except (OSError, ValueError):  # a missing file, a URL, or an escaped name that isn't UTF-8
        return False
