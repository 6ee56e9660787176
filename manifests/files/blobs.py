"""Content-addressed files: a blob is named by the SHA-256 of its bytes, under the data root.

`data/blobs/ab/abcd....jpg`. Manifests hold the path relative to the data root, and the digest. A blob may be a link to
a source image: a hard link, or a symbolic one, which is valid as long as that file exists unchanged. Blobs at a URL
are read through a cache on this machine (blob_cache.py).
"""

import fcntl
import hashlib
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from stat import S_ISLNK

from manifests.errors import UserError
from manifests.files.atomic import link_replace, make_directory, sync, write_replace
from manifests.files.blob_cache import BlobCache
from manifests.files.reading import regular_bytes
from manifests.files.storage import is_remote, on_this_machine, reaching
from manifests.files.storage import read as read_remote
from manifests.files.tombstones import Tombstones

BLOB_SUFFIXES = (".jpg", ".png")
BLOBS = "blobs"  # directory under the data root
LOCK = f"{BLOBS}/.lock"  # under the data root; empty

_SHA256 = re.compile(r"[0-9a-f]{64}")

logger = logging.getLogger(__name__)


class BlobError(UserError):
    """A blob is missing, or its bytes don't have its digest."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob's path (relative to the data root, with forward slashes) and its digest in hex."""

    path: str
    sha256: str


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class BlobStore:
    """The blobs under one data root. Writing the same bytes twice is harmless, even concurrently.

    Unless `cached`, all bytes come from the root itself.
    """

    def __init__(self, root: Path, *, cached: bool = True) -> None:
        self.root = root
        self._cache = BlobCache(on_this_machine(root / BLOBS)) if cached and is_remote(root) else None

    def put(self, data: bytes, suffix: str) -> Blob:
        """Store `data` durably in its own file; `suffix` is one of BLOB_SUFFIXES."""
        blob = _named(data, suffix)
        path = self.root / blob.path
        if is_remote(path):
            write_replace(path, data)  # even if it is there: in use again, young for `gc`
            return blob
        with self._kept():
            if is_linked(path) or not path.is_file() or path.read_bytes() != data:  # repairs damage
                write_replace(path, data)
            else:
                os.utime(path)  # in use again: young for `gc`
                sync(path.parent)  # its writer may have been killed before that
        return blob

    def put_link(self, source: Path, data: bytes, suffix: str, *, symbolic: bool) -> Blob:
        """Link the file `source`, whose bytes are `data`, as the blob; OSError when links are unsupported.

        A file that holds these bytes stays, and a hard link isn't replaced by a symbolic one.
        """
        blob = _named(data, suffix)
        path = self.root / blob.path
        with self._kept():
            if path.is_symlink() or not path.is_file() or path.read_bytes() != data:
                link_replace(path, source, symbolic=symbolic)
            elif is_linked(path):
                link_replace(path, path, symbolic=False)  # young for `gc`; `utime` would touch the source as well
            else:
                os.utime(path)
                sync(path.parent)
        return blob

    @contextmanager
    def deleting(self) -> Iterator[None]:
        """Keep every process from storing a blob during the block; OSError where the file system has no locks."""
        with self._lock(os.O_RDWR) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield

    def path(self, relative: str) -> Path:
        """The file of a blob; BlobError when `relative` leaves the data root."""
        path = self.root / relative
        if is_remote(path):
            leaves = relative.startswith("/") or ".." in relative.split("/") or "://" in relative
        else:
            leaves = not Path(os.path.abspath(path)).is_relative_to(os.path.abspath(self.root))  # noqa: PTH100 - links stay
        if leaves or "\0" in relative:
            raise BlobError(f"expected a blob path under {self.root}, found {relative!r}")
        return path

    def find(self, sha256: str) -> Path | None:
        """The file of the blob with this digest and any suffix; None when it is missing.

        A symbolic link counts as missing when its target has changed.
        """
        return next((path for path in self._candidates(sha256) if path.is_file() and _is_sound(path, sha256)), None)

    def local_file(self, sha256: str) -> Path | None:
        """The blob that `find` returns as a file of this machine: at a URL its copy in the cache.

        None when it is missing, and at a URL when it is altered; OSError when the cache can't be written, StorageAway
        when the URL can't be reached.
        """
        if self._cache is None:
            return self.find(sha256)
        candidates = self._candidates(sha256)
        for path in candidates:  # in the cache first: no request while it has the blob
            if self._cache.read(path.name) is not None and (copy := self._cache.find(path.name)):
                return copy
        for path in candidates:
            try:
                with reaching(path):
                    data = self.read(blob_path(sha256, path.suffix), sha256)
            except BlobError:
                continue
            return self._cache.find(path.name) or self._cache.add(path.name, data)
        return None

    def absence(self, sha256: str) -> str:
        """The reason, for a message, why `find` or `local_file` returns None."""
        if is_remote(self.root):
            return "no such file, or one with other bytes"
        links = (path for path in self._candidates(sha256) if path.is_symlink())
        return next((f"its source {path.readlink()} gone or changed" for path in links), "no such file")

    def read(self, relative: str, sha256: str) -> bytes:
        """The blob's bytes; BlobError when it is missing or altered."""
        path = self.path(relative)
        try:
            data = self._fetch(path, sha256) if is_remote(path) else regular_bytes(path)
        except OSError as error:
            if path.is_symlink():
                raise _source_error(path, f"found that it can't be read ({error.strerror})") from error
            if not isinstance(error, FileNotFoundError):
                raise
            found = "found nothing; restore it or pass the right --data"
            if sha256 in Tombstones.read(self.root).blobs:
                found = "found that it was forgotten; use a later version"
            raise BlobError(f"expected the blob {path}, {found}") from error
        digest = sha256_hex(data)
        if digest != sha256 and path.is_symlink():
            raise _source_error(path, f"found that it has changed since (SHA-256 {digest})")
        if digest != sha256:
            cause = "it is a hard link, whose other name was written to; " if is_linked(path) else ""
            raise BlobError(
                f"expected {path} to have the SHA-256 {sha256}, found {digest}; {cause}restore the file from a backup"
            )
        return data

    def _fetch(self, path: Path, sha256: str) -> bytes:
        """The bytes of a blob at a URL, from the cache if it has them; sound ones are there afterwards."""
        if self._cache is None or path not in self._candidates(sha256):
            return read_remote(path)
        data = self._cache.read(path.name)
        if data is None:
            data = read_remote(path)
            if sha256_hex(data) == sha256:
                try:
                    self._cache.add(path.name, data)
                except OSError as error:
                    _warn_of_cache(str(error))
        return data

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Keep `deleting` from coming between a look at a blob and its use; without locks `deleting` fails."""
        with self._lock(os.O_RDONLY) as descriptor:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield

    @contextmanager
    def _lock(self, access: int) -> Iterator[int]:
        """Open the lock's file; the lock ends with the block, or with the process."""
        lock = self.root / LOCK
        make_directory(lock.parent)
        descriptor = os.open(lock, access | os.O_CREAT, 0o666)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _candidates(self, sha256: str) -> list[Path]:
        if not _SHA256.fullmatch(sha256):  # it may come from a URL
            return []
        return [self.root / blob_path(sha256, suffix) for suffix in BLOB_SUFFIXES]


@cache
def _warn_of_cache(reason: str) -> None:
    """Warn once of each reason."""
    logger.warning("blobs are read without copies on this machine: %s", reason)


def blob_path(sha256: str, suffix: str) -> str:
    """The path of a blob relative to the data root."""
    return f"{BLOBS}/{sha256[:2]}/{sha256}{suffix}"


def is_linked(path: Path) -> bool:
    """Whether the file is shared: a symbolic link, or one of several hard links."""
    if is_remote(path):
        return False
    try:
        stat = path.lstat()
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        return False
    return S_ISLNK(stat.st_mode) or stat.st_nlink > 1


def _named(data: bytes, suffix: str) -> Blob:
    if suffix not in BLOB_SUFFIXES:
        raise ValueError(f"expected a suffix of {BLOB_SUFFIXES}, found {suffix!r}")
    sha256 = sha256_hex(data)
    return Blob(blob_path(sha256, suffix), sha256)


def _is_sound(path: Path, sha256: str) -> bool:
    """Check the target of a symbolic link, which may change; the store's own files never change and aren't read."""
    try:
        return not path.is_symlink() or sha256_hex(path.read_bytes()) == sha256
    except OSError:  # the target can't be read, or was removed meanwhile
        return False


def _source_error(path: Path, found: str) -> BlobError:
    return BlobError(
        f"expected {path.readlink()} as it was imported by reference, {found}; put the file back, "
        f"or a copy of it at {path}"
    )
