"""Images without people: from a folder, or person-free pieces of photographs."""

import logging
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import UnusableImage, decode_image
from manifests.pixels.masks import PERSON_LEVEL, Mask
from trainer.data.preprocessing import Preprocessing
from trainer.data.samples import Samples

logger = logging.getLogger(__name__)

MAX_BACKGROUNDS = 500  # 75 MB at 224 px
MIN_SIDE_FRACTION = 0.25  # of the image's side; a smaller piece shows too little


def own_backgrounds(train: Samples) -> Tensor:
    """uint8 (M, 3, S, S): the largest person-free square of evenly spaced images, where it is large enough.

    Passers-by are often missing from the mask; pixels that a teacher marks as person are excluded too. UserError
    without any such square.
    """
    pieces, side = [], train.labels.shape[-1]
    for i in _evenly_spaced(len(train)):
        person = train.labels[i].numpy() >= PERSON_LEVEL
        if train.teacher_labels is not None:
            person |= train.teacher_labels[i].numpy() >= PERSON_LEVEL
        piece = free_piece(train.images[i].permute(1, 2, 0).numpy(), person)
        if piece is not None:
            pieces.append(torch.from_numpy(cv2.resize(piece, (side, side))).permute(2, 0, 1))
    if not pieces:
        raise UserError(
            f"expected training images with a square of {MIN_SIDE_FRACTION:.0%} of their side without a person, "
            "found none; give --backgrounds a folder of images without people"
        )
    return torch.stack(pieces)


def backgrounds_in(directory: Path, preprocessing: Preprocessing) -> Tensor:
    """uint8 (M, 3, S, S) of the images in `directory`, evenly spaced ones when there are too many.

    Unusable files are logged and skipped; UserError without any usable one.
    """
    files = background_files(directory)
    images = []
    for i in _evenly_spaced(len(files)):
        try:
            rgb = decode_image(files[i].read_bytes())
        except UnusableImage as error:
            logger.warning("skipped background %s: %s", files[i], error)
            continue
        images.append(torch.from_numpy(preprocessing.resize(rgb)).permute(2, 0, 1))
    if not images:
        raise UserError(f"expected images in {directory}, for --backgrounds, found none")
    return torch.stack(images)


def background_files(directory: Path) -> list[Path]:
    """The files directly in `directory`, by name; UserError when it is no folder or has none."""
    if not directory.is_dir():
        raise UserError(f"expected a folder of images for --backgrounds, found none at {directory}")
    files = sorted(path for path in directory.iterdir() if path.is_file() and not path.name.startswith("."))
    if not files:
        raise UserError(f"expected images in {directory}, for --backgrounds, found none; give the folder they lie in")
    return files


def free_piece(rgb: Pixels, person: Mask) -> Pixels | None:
    """RGB (H, W, 3), bool (H, W) -> the largest square without a person, (s, s, 3); None when it is too small."""
    top, left, length = largest_free_square(person)
    if length < MIN_SIDE_FRACTION * min(person.shape):
        return None
    return rgb[top : top + length, left : left + length]


def largest_free_square(person: Mask) -> tuple[int, int, int]:
    """bool (H, W) -> top, left and side, in pixels, of the largest square with no person; a side of 0 means none."""
    free = np.pad(~person, 1).astype(np.uint8)  # outside is not free
    distance = cv2.distanceTransform(free, cv2.DIST_C, 3)  # chessboard: a square of side 2 d - 1 around each pixel
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    reach = int(distance[row, column])
    return (int(row) - reach, int(column) - reach, 2 * reach - 1) if reach else (0, 0, 0)


def _evenly_spaced(n: int) -> list[int]:
    """At most MAX_BACKGROUNDS of the numbers below n."""
    indices: list[int] = np.unique(np.linspace(0, n - 1, min(n, MAX_BACKGROUNDS)).round().astype(int)).tolist()
    return indices
