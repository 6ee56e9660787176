"""One source image: its place, its mask in case 1, and its own license and attribution."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from manifests.files.blobs import sha256_hex
from pipeline.sources.local import LocalFile


class Place(Protocol):
    """Place of a source image other than a local file. Picklable, for other processes."""

    @property
    def uri(self) -> str:
        """The manifest's `source_uri`, without credentials."""

    def read(self) -> bytes:
        """Read the image's bytes; Unusable, with the reason, when it can't."""

    def fingerprint(self) -> str | None:
        """A key that changes with the image's bytes; None while it can't be read."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A source image and, in case 1, its mask's file. `license` and `attribution` override its source's."""

    image: Path | Place
    mask: Path | None = None
    license: str | None = None
    attribution: str | None = None

    @property
    def place(self) -> Place:
        """The image as something that can be read."""
        return LocalFile(self.image) if isinstance(self.image, Path) else self.image

    @property
    def uri(self) -> str:
        """The manifest's `source_uri`."""
        return self.place.uri

    def read(self) -> bytes:
        """Read the image's bytes; Unusable, with the reason, when it can't."""
        return self.place.read()

    def fingerprint(self) -> str | None:
        """A key that changes with the image's bytes, license or attribution; None while it can't be read."""
        key = self.place.fingerprint()
        if key is None or (self.license is None and self.attribution is None):
            return key
        return sha256_hex(json.dumps([key, self.license, self.attribution]).encode())
