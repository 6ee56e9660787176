"""A cache of blobs on this machine, of bounded size: copies of what lies at a URL, under the same names.

`<directory>/ab/abcd....jpg`. The file `.bytes` holds the size of all copies, and its lock keeps writers apart, so the
bound holds for all threads and processes together. The copies that were unused for longest go first. A copy appears
whole; one whose bytes are damaged counts as absent. After a deletion of the directory blobs are fetched again.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from manifests.files.atomic import write_replace

CACHE_BYTES = 4 * 2**30  # some 20,000 samples of 200 kB: more than a team reviews in a day
KEPT_FRACTION = 0.9  # after an eviction, so that few additions have to look at all copies

_COUNT = ".bytes"
_DIGEST_DIGITS = 64


class BlobCache:
    """Copies of `max_bytes` at most, but always the last one; names are `<SHA-256><suffix>`.

    Safe to use from threads, and beside other processes with the same directory.
    """

    def __init__(self, directory: Path, max_bytes: int = CACHE_BYTES) -> None:
        self._directory = directory
        self._max_bytes = max_bytes

    def find(self, name: str) -> Path | None:
        """The copy, which is now the last one to go; None without one."""
        path = self._path(name)
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        return path

    def read(self, name: str) -> bytes | None:
        """The copy's bytes; None without one, and when they are damaged."""
        path = self.find(name)
        data = None
        with suppress(FileNotFoundError):  # evicted meanwhile
            data = path.read_bytes() if path else None
        return data if data is not None and _has_name(data, name) else None

    def add(self, name: str, data: bytes) -> Path:
        """Copy a blob's bytes, after making room for them; ValueError when they don't have the name's digest."""
        if not _has_name(data, name):
            raise ValueError(f"expected bytes with the SHA-256 {name[:_DIGEST_DIGITS]}, found others")
        path = self._path(name)
        with self._locked() as descriptor:
            if self.read(name) is not None:  # another thread or process was faster
                return path
            path.unlink(missing_ok=True)  # damaged; its bytes stay in the count until the next look at all copies
            size_bytes = _read_count(descriptor)
            if size_bytes is None or size_bytes + len(data) > self._max_bytes:
                size_bytes = self._evict(round(KEPT_FRACTION * self._max_bytes) - len(data))
            _write_count(descriptor, size_bytes + len(data))
            write_replace(path, data)
        return path

    def _evict(self, most_bytes: int) -> int:
        """Delete the copies that were unused for longest until the rest takes `most_bytes`; return its size."""
        copies = []
        for path in self._directory.glob("??/*"):
            with suppress(FileNotFoundError):  # the directory is being emptied
                stat = path.stat()
                copies.append((stat.st_mtime_ns, stat.st_size, path))
        size_bytes = sum(size for _, size, _ in copies)
        for _, size, path in sorted(copies):
            if size_bytes <= most_bytes:
                break
            path.unlink(missing_ok=True)
            size_bytes -= size
        return size_bytes

    def _path(self, name: str) -> Path:
        return self._directory / name[:2] / name

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Open the count's file and lock it; the lock ends with the block, or with the process."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # people's faces
        descriptor = os.open(self._directory / _COUNT, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)


def _has_name(data: bytes, name: str) -> bool:
    return hashlib.sha256(data).hexdigest() == name[:_DIGEST_DIGITS]


def _read_count(descriptor: int) -> int | None:
    """The bytes of all copies; None when they are unknown, as in a new or damaged file."""
    text = os.pread(descriptor, 32, 0)
    return int(text) if text.isdigit() else None


def _write_count(descriptor: int, size_bytes: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(size_bytes).encode(), 0)
