"""Where pictures come from: a directory, a glob or a file; with a directory of masks, in pairs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manifests.blobs import sha256_hex
from manifests.errors import UserError
from manifests.ground_truth import find_pairs
from manifests.masks import MaskEncoding, find_encoding, read_mask_values
from manifests.pictures import list_pictures, source_uri
from manifests.progress import progress
from pipeline.quarantine import UNREADABLE, Unusable


@dataclass(frozen=True, slots=True)
class Picture:
    """A source image's file and, in case 1, its mask's."""

    image: Path
    mask: Path | None = None

    @property
    def uri(self) -> str:
        """The manifest's `source_uri`."""
        return source_uri(self.image)

    def read(self) -> bytes:
        """The file's bytes; Unusable says why there are none."""
        try:
            return self.image.read_bytes()
        except OSError as error:
            raise Unusable(UNREADABLE, error.strerror or str(error)) from error

    def fingerprint(self) -> str | None:
        """What changes when the picture's bytes do; None where it can't be read, and may be later."""
        try:
            return sha256_hex(self.image.read_bytes())
        except OSError:
            return None


@dataclass(frozen=True, slots=True)
class Origins:
    """What is said of every picture of a source, and how its masks were written (case 1)."""

    source: str
    license: str | None = None
    attribution: str | None = None
    encoding: MaskEncoding | None = None


def find_pictures(images: str, masks: str | None = None) -> list[Picture]:
    """Every picture of `images`, in order of name; UserError when there is none or a mask has no partner."""
    if masks is None:
        return [Picture(path) for path in list_pictures(Path(images).expanduser())]
    pairs = find_pairs(Path(images).expanduser(), Path(masks).expanduser())
    return [Picture(pair.image, pair.mask) for pair in pairs]


def without_blobs(pictures: list[Picture], data_root: Path) -> list[Picture]:
    """The pictures that are no blobs of this dataset, for where it lies among the photographs it was made from.

    UserError when nothing remains.
    """
    blobs = (data_root / "blobs").resolve()
    remaining = [picture for picture in pictures if not picture.image.resolve().is_relative_to(blobs)]
    if not remaining:
        raise UserError(f"expected source images, found only the dataset's own samples in {blobs}; give other pictures")
    return remaining


def default_source(images: str) -> str:
    """The dataset's name when none was given: the directory's, or its parent's when that is just `images`."""
    path = Path(images).expanduser().resolve()
    directory = path if path.is_dir() else path.parent
    return directory.parent.name if directory.name in ("images", "img", "input") else directory.name


def find_mask_encoding(pictures: list[Picture], person_label: int | None = None) -> MaskEncoding | None:
    """How the pictures' masks are written, from the values in all of them; None when there are no masks.

    A mask that can't be read is left to the labeller, which puts its picture into quarantine.
    """
    masks = [picture.mask for picture in pictures if picture.mask is not None]
    if not masks:
        return None
    present = np.zeros(256, dtype=bool)
    for path in progress(masks, "reading masks"):
        try:
            present[np.unique(read_mask_values(path))] = True
        except UserError:
            continue
    return find_encoding(np.flatnonzero(present).tolist(), person_label)
