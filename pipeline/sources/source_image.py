"""One picture of a source: where it lies, its mask in case 1, and what is stated of it alone."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from manifests.files.blobs import sha256_hex
from pipeline.sources.local import LocalFile


class Place(Protocol):
    """Where a picture lies that is no file of this machine. A value: it travels to other processes."""

    @property
    def uri(self) -> str:
        """The manifest's `source_uri`, without credentials."""

    def read(self) -> bytes:
        """The picture's bytes; Unusable says why there are none."""

    def fingerprint(self) -> str | None:
        """What changes when the picture's bytes do; None where it can't be read now, and may be later."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A source image and, in case 1, its mask's file. `license` and `attribution` go before those of its source."""

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
        """The picture's bytes; Unusable says why there are none."""
        return self.place.read()

    def fingerprint(self) -> str | None:
        """What changes when the picture's bytes do, or what is stated of it; None where it can't be read now."""
        known = self.place.fingerprint()
        if known is None or (self.license is None and self.attribution is None):
            return known
        return sha256_hex(json.dumps([known, self.license, self.attribution]).encode())
