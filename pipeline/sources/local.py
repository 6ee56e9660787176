"""A picture that is a file of this machine."""

from dataclasses import dataclass
from pathlib import Path

from manifests.files.blobs import sha256_hex
from manifests.pixels.image_files import regular_bytes, source_uri
from pipeline.quarantine import UNREADABLE, Unusable


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file, known by its bytes."""

    path: Path

    @property
    def uri(self) -> str:
        """The manifest's `source_uri`: the absolute path."""
        return source_uri(self.path)

    def read(self) -> bytes:
        """The file's bytes; Unusable says why there are none."""
        try:
            return regular_bytes(self.path)
        except OSError as error:
            raise Unusable(UNREADABLE, error.strerror or str(error)) from error

    def fingerprint(self) -> str | None:
        """The bytes' digest; None where they can't be read now."""
        try:
            return sha256_hex(regular_bytes(self.path))
        except OSError:
            return None
