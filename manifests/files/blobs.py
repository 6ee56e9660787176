"""Content-addressed files: a blob is named by the SHA-256 of its bytes, under the data root.

`data/blobs/ab/abcd....jpg`. Manifests hold the path relative to the data root and the digest beside it. A blob may be
a link to somebody's file, which stays where it is: a hard link, or a symbolic one, which holds for as long as that
file is there and unchanged.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISLNK

from manifests.errors import UserError
from manifests.files.atomic import link_replace, write_replace
from manifests.files.storage import is_remote

BLOB_SUFFIXES = (".jpg", ".png")

_SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobError(UserError):
    """A blob is missing, or its bytes are not those its name promises."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob's path (relative to the data root, with forward slashes) and its digest in hex."""

    path: str
    sha256: str


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class BlobStore:
    """The blobs under one data root. Writing the same bytes twice is harmless, also at the same time."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes, suffix: str) -> Blob:
        """Store `data` durably, in a file of its own; `suffix` is one of BLOB_SUFFIXES."""
        blob = _named(data, suffix)
        path = self.root / blob.path
        if is_linked(path) or not path.is_file() or path.read_bytes() != data:  # what is damaged is mended
            write_replace(path, data)
        elif not is_remote(path):
            os.utime(path)  # in use again: `gc` must not take it for old garbage
        return blob

    def put_link(self, source: Path, data: bytes, suffix: str, *, symbolic: bool) -> Blob:
        """Make the file `source`, whose bytes are `data`, the blob: nothing is copied. OSError where links can't be.

        A file that holds the bytes already stays; so does a hard link where a symbolic one would do.
        """
        blob = _named(data, suffix)
        path = self.root / blob.path
        if path.is_symlink() or not path.is_file() or path.read_bytes() != data:
            link_replace(path, source, symbolic=symbolic)
        elif is_linked(path):
            link_replace(path, path, symbolic=False)  # young again, as after `utime`, which would touch the source too
        else:
            os.utime(path)
        return blob

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
        """The file of the blob with this digest, whatever its suffix; None when there is none.

        One that is a symbolic link is none when the file it stands for has changed.
        """
        return next((path for path in self._candidates(sha256) if path.is_file() and _is_sound(path, sha256)), None)

    def absence(self, sha256: str) -> str:
        """A phrase for a message: what lies in place of a blob that `find` misses."""
        links = (path for path in self._candidates(sha256) if path.is_symlink())
        return next((f"its source {path.readlink()} gone or changed" for path in links), "no such file")

    def read(self, relative: str, sha256: str) -> bytes:
        """The blob's bytes; BlobError when it is missing or altered."""
        path = self.path(relative)
        try:
            data = path.read_bytes()
        except OSError as error:
            if path.is_symlink():
                raise _source_error(path, f"found that it can't be read ({error.strerror})") from error
            if not isinstance(error, FileNotFoundError):
                raise
            raise BlobError(f"expected the blob {path}, found nothing; restore it or pass the right --data") from error
        found = sha256_hex(data)
        if found != sha256 and path.is_symlink():
            raise _source_error(path, f"found that it has changed since (SHA-256 {found})")
        if found != sha256:
            remedy = "it is a hard link, whose other name was written to; " if is_linked(path) else ""
            raise BlobError(
                f"expected {path} to have the SHA-256 {sha256}, found {found}; {remedy}restore the file from a backup"
            )
        return data

    def _candidates(self, sha256: str) -> list[Path]:
        if not _SHA256.fullmatch(sha256):  # it may come out of a URL
            return []
        return [self.root / f"blobs/{sha256[:2]}/{sha256}{suffix}" for suffix in BLOB_SUFFIXES]


def is_linked(path: Path) -> bool:
    """Whether the file is shared: a symbolic link, or one of several hard links."""
    if is_remote(path):
        return False
    try:
        stat = path.lstat()
    except OSError:
        return False
    return S_ISLNK(stat.st_mode) or stat.st_nlink > 1


def _named(data: bytes, suffix: str) -> Blob:
    if suffix not in BLOB_SUFFIXES:
        raise ValueError(f"expected a suffix out of {BLOB_SUFFIXES}, found {suffix!r}")
    sha256 = sha256_hex(data)
    return Blob(f"blobs/{sha256[:2]}/{sha256}{suffix}", sha256)


def _is_sound(path: Path, sha256: str) -> bool:
    """Check the target of a symbolic link, which may change; the store's own files never change and are not read."""
    try:
        return not path.is_symlink() or sha256_hex(path.read_bytes()) == sha256
    except OSError:  # the one it stands for can't be read, or is gone since it was looked for
        return False


def _source_error(path: Path, found: str) -> BlobError:
    return BlobError(
        f"expected {path.readlink()} as it was imported by reference, {found}; put the file back, "
        f"or a copy of it at {path}"
    )
