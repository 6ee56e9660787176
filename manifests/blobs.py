"""Content-addressed files: a blob is named by the SHA-256 of its bytes, under the data root.

`data/blobs/ab/abcd....jpg`. Manifests hold the path relative to the data root and the digest beside it.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from manifests.atomic import write_replace
from manifests.errors import UserError
from manifests.storage import is_remote

BLOB_SUFFIXES = (".jpg", ".png")

_SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobError(UserError):
    """A blob is missing, or its bytes are not those its name promises."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Where a blob lies (relative to the data root, with forward slashes) and its digest in hex."""

    path: str
    sha256: str


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class BlobStore:
    """The blobs under one data root. Writing the same bytes twice is harmless, also at the same time."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes, suffix: str) -> Blob:
        """Store `data` durably; `suffix` is one of BLOB_SUFFIXES."""
        if suffix not in BLOB_SUFFIXES:
            raise ValueError(f"expected a suffix out of {BLOB_SUFFIXES}, found {suffix!r}")
        sha256 = sha256_hex(data)
        relative = f"blobs/{sha256[:2]}/{sha256}{suffix}"
        path = self.root / relative
        if not path.is_file() or path.read_bytes() != data:  # a damaged blob is mended by storing it again
            write_replace(path, data)
        elif not is_remote(path):
            os.utime(path)  # in use again: `gc` must not take it for old garbage
        return Blob(relative, sha256)

    def path(self, relative: str) -> Path:
        """The file of a blob; BlobError when `relative` leaves the data root."""
        path = self.root / relative
        if is_remote(path):
            leaves = relative.startswith("/") or ".." in relative.split("/") or "://" in relative
        else:
            leaves = not Path(os.path.abspath(path)).is_relative_to(os.path.abspath(self.root))  # noqa: PTH100 - links stay
        if leaves:
            raise BlobError(f"expected a blob path under {self.root}, found {relative!r}")
        return path

    def find(self, sha256: str) -> Path | None:
        """The file of the blob with this digest, whatever its suffix; None when there is none."""
        if not _SHA256.fullmatch(sha256):  # it may come out of a URL
            return None
        candidates = (self.root / f"blobs/{sha256[:2]}/{sha256}{suffix}" for suffix in BLOB_SUFFIXES)
        return next((path for path in candidates if path.is_file()), None)

    def read(self, relative: str, sha256: str) -> bytes:
        """The blob's bytes; BlobError when it is missing or altered."""
        path = self.path(relative)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise BlobError(f"expected the blob {path}, found nothing; restore it or pass the right --data") from error
        found = sha256_hex(data)
        if found != sha256:
            raise BlobError(
                f"expected {path} to have the SHA-256 {sha256}, found {found}; restore the file from a backup"
            )
        return data
