"""The quarantine table: pictures that can't become a sample, each with its reason. The files stay where they are."""

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

# What is fetched or lies in another file: a bad URL, a host that doesn't answer, ...
BAD_URL = "bad URL"
UNREACHABLE = "unreachable"
TIMED_OUT = "timed out"
HTTP_ERROR = "HTTP error"
TOO_MANY_REDIRECTS = "too many redirects"
REFUSED_ADDRESS = "refused address"
DISALLOWED = "disallowed by robots.txt"
TOO_LARGE = "too large"  # in bytes; manifests.pixels.images says it of pixels
NOT_AN_IMAGE = "not an image"  # by its content type; manifests.pixels.images says it of the bytes

QuarantineRow = dict[str, str | None]


class Unusable(Exception):
    """A picture goes to quarantine; `reason` is the table's word for it."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def write_quarantine(rows: Sequence[QuarantineRow], path: Path) -> None:
    """Write the table as CSV, for people; whole or not at all."""
    buffer = io.BytesIO()
    pa.csv.write_csv(pa.Table.from_pylist(list(rows), schema=SCHEMA), buffer)
    write_replace(path, buffer.getvalue())
