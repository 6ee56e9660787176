"""The quarantine table: images that can't be used, each with its reason. The files stay where they are."""

import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from manifests.files.atomic import write_replace

SCHEMA = pa.schema(
    [
        pa.field("source_uri", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),  # one of manifests.pixels.images.Reason, or of those below
        pa.field("detail", pa.string(), nullable=False),
        pa.field("source_sha256", pa.string()),
    ]
)

UNREADABLE = "unreadable file"
NO_FACE = "no face"
NO_FACE_IN_MASK = "no face in the mask"
MASK_MISMATCH = "mask and image differ in size"
ROW_MISMATCH = "image and manifest differ in size"
BAD_MASK = "unreadable mask"

# Reasons of images that are fetched or lie in another file.
BAD_URL = "bad URL"
UNREACHABLE = "unreachable"
TIMED_OUT = "timed out"
HTTP_ERROR = "HTTP error"
TOO_MANY_REDIRECTS = "too many redirects"
REFUSED_ADDRESS = "refused address"
DISALLOWED = "disallowed by robots.txt"
TOO_LARGE = "too large"  # in bytes; the same words of manifests.pixels.images count pixels
NOT_AN_IMAGE = "not an image"  # by its content type; manifests.pixels.images looks at the bytes

QuarantineRow = dict[str, str | None]


class Unusable(Exception):
    """An image that goes to quarantine; `reason` is its value in the table."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def write_quarantine(rows: Sequence[QuarantineRow], path: Path) -> None:
    """Write the table as CSV, whole or not at all."""
    buffer = io.BytesIO()
    pa.csv.write_csv(pa.Table.from_pylist(list(rows), schema=SCHEMA), buffer)
    write_replace(path, buffer.getvalue())
