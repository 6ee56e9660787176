"""SHA256SUMS: the digests of an export's files, for `sha256sum -c SHA256SUMS`."""

import hashlib
from pathlib import Path

from manifests.exports.staging import put

CHECKSUMS = "SHA256SUMS"


class Checksums:
    """Writes files below `directory`, and a line of SHA256SUMS for each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._list = (directory / CHECKSUMS).open("w", encoding="utf-8")

    def __enter__(self) -> "Checksums":
        return self

    def __exit__(self, *_error: object) -> None:
        self._list.close()

    def put(self, name: str, data: bytes) -> None:
        """Write `data` to the file `name`, and list it."""
        put(self._directory, name, data)
        self._write(hashlib.sha256(data).hexdigest(), name)

    def add(self, name: str) -> None:
        """List the existing file `name`."""
        self._write(file_sha256(self._directory / name), name)

    def _write(self, digest: str, name: str) -> None:
        self._list.write(f"{digest}  {name}\n")


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
