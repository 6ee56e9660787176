"""A source image that is a local file."""

from dataclasses import dataclass
from pathlib import Path

from manifests.files.blobs import sha256_hex
from manifests.files.reading import regular_bytes
from manifests.pixels.image_files import source_uri
from pipeline.quarantine import UNREADABLE, Unusable


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file, identified by its bytes."""

    path: Path

    @property
    def uri(self) -> str:
        """The manifest's `source_uri`: the absolute path."""
        return source_uri(self.path)

    def read(self) -> bytes:
        """Read the file's bytes; Unusable, with the reason, when it can't."""
        try:
            return regular_bytes(self.path)
        except OSError as error:
            raise Unusable(UNREADABLE, error.strerror or str(error)) from error

    def fingerprint(self) -> str | None:
        """The bytes' digest; None while they can't be read."""
        try:
            return sha256_hex(regular_bytes(self.path))
        except OSError:
            return None
