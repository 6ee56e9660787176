"""EasyPortrait -> trusted pairs: every class but the background is person.

    images/train/*.jpg  images/val/  images/test/
    annotations/train/*.png  annotations/val/  annotations/test/

The two halves are published as two zips, which are read in place: one as annotations, the other as images.
Source: the README of github.com/hukenovs/easyportrait.
"""

import re
from pathlib import Path

import numpy as np

from manifests.errors import UserError
from manifests.imports.ground_truth import LeftOut, TrustedPair
from manifests.imports.two_folders import TwoFolders, read_two_folders
from manifests.pixels.geometry import Pixels
from manifests.pixels.mask_values import mask_values
from manifests.pixels.masks import PERSON

CLASSES = ("background", "person", "skin", "left brow", "right brow", "left eye", "right eye", "lips", "teeth")


def read_easyportrait(annotations: Path, images: Path | None, category: str) -> list[TrustedPair | LeftOut]:
    """The pairs of all splits; only the names show the dataset's own splits."""
    return read_two_folders(_LAYOUT, annotations, images)


def person_of_classes(data: bytes, name: str) -> Pixels:
    """A mask of EasyPortrait's classes -> uint8 (H, W) of 0 and 255; UserError for an unknown class."""
    values = mask_values(data, name)
    if values.max() >= len(CLASSES):
        raise UserError(f"expected EasyPortrait's classes 0 to {len(CLASSES) - 1} in {name}, found {values.max()}")
    return np.where(values > 0, PERSON, 0).astype(np.uint8)


_LAYOUT = TwoFolders(
    images="images",
    masks="annotations",
    common=re.compile(r"(?:^|/)(train|val|test)/([^/]+)\.[^./]+$"),
    read_mask=person_of_classes,
    example="images/train/NAME.jpg with annotations/train/NAME.png",
)
