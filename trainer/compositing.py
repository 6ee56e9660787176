"""People before other backgrounds: an augmentation that takes away what a background says about its person.

Backgrounds are pictures without people, from a folder or cut out of the training pictures themselves.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Generator, Tensor

from manifests.errors import UserError
from manifests.images import UnusableImage, decode_image
from manifests.masks import PERSON_LEVEL, Mask
from trainer.data import Samples
from trainer.preprocessing import Preprocessing
from trainer.share import WHOLE, Share

MAX_BACKGROUNDS = 500  # 75 MB at 224 px
MIN_SIDE_FRACTION = 0.25  # of the picture's side: a smaller piece without a person shows next to nothing


@dataclass(frozen=True, slots=True)
class Compositor:
    """Puts a share of `prob` of a batch's people before `backgrounds`, uint8 RGB (M, 3, S, S)."""

    backgrounds: Tensor
    prob: float

    def __call__(self, images: Tensor, labels: Tensor, generator: Generator, *, share: Share = WHOLE) -> Tensor:
        """RGB uint8 (N, 3, S, S), person uint8 (N, S, S) -> images of that kind; the labels hold for them too.

        They are the share's rows of a batch: numbers are drawn for all of it, and used for these.
        """
        n = len(images) * share.count
        chosen = (torch.rand(n, generator=generator) < self.prob)[share.rows(n)].nonzero()[:, 0]
        picked = torch.randint(len(self.backgrounds), (n,), generator=generator)[share.rows(n)]
        mirrored = (torch.rand(n, generator=generator) < 0.5)[share.rows(n)]
        changed = images.clone()
        for i in chosen.tolist():
            behind = self.backgrounds[picked[i]].to(images.device)
            behind = behind.flip(-1) if mirrored[i] else behind
            person_prob = labels[i].float() / 255  # (S, S)
            changed[i] = torch.lerp(behind.float(), images[i].float(), person_prob).round().to(torch.uint8)
        return changed


def own_backgrounds(train: Samples) -> Tensor:
    """uint8 (M, 3, S, S): of evenly spaced pictures the largest square without a person, where it is large enough.

    UserError when there is none.
    """
    found, side = [], train.labels.shape[-1]
    for i in _evenly_spaced(len(train)):
        top, left, length = largest_free_square(train.labels[i].numpy() >= PERSON_LEVEL)
        if length >= MIN_SIDE_FRACTION * side:
            piece = train.images[i, :, top : top + length, left : left + length].permute(1, 2, 0).numpy()
            found.append(torch.from_numpy(cv2.resize(piece, (side, side))).permute(2, 0, 1))
    if not found:
        raise UserError(
            f"expected training pictures with a square of {MIN_SIDE_FRACTION:.0%} of their side without a person, for "
            "--composite-prob, found none; give --backgrounds a folder of pictures without people"
        )
    return torch.stack(found)


def backgrounds_in(directory: Path, preprocessing: Preprocessing) -> Tensor:
    """uint8 (M, 3, S, S), the pictures in `directory`, evenly spaced ones when there are too many.

    Each file that is no usable picture is named in a line and left out; UserError when none is left.
    """
    if not directory.is_dir():
        raise UserError(f"expected a folder of pictures for --backgrounds, found none at {directory}")
    files = sorted(path for path in directory.iterdir() if path.is_file() and not path.name.startswith("."))
    found = []
    for i in _evenly_spaced(len(files)):
        try:
            rgb = decode_image(files[i].read_bytes())
        except UnusableImage as error:
            print(f"left out of the backgrounds: {files[i]}: {error}", flush=True)
            continue
        found.append(torch.from_numpy(preprocessing.resize(rgb)).permute(2, 0, 1))
    if not found:
        raise UserError(f"expected pictures in {directory}, for --backgrounds, found none")
    return torch.stack(found)


def largest_free_square(person: Mask) -> tuple[int, int, int]:
    """bool (H, W) -> top, left and side, in pixels, of the largest square with no person; a side of 0 is none."""
    free = np.pad(~person, 1).astype(np.uint8)  # what lies outside is not free
    distance = cv2.distanceTransform(free, cv2.DIST_C, 3)  # chessboard: a square of side 2 d - 1 around each pixel
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    reach = int(distance[row, column])
    return (int(row) - reach, int(column) - reach, 2 * reach - 1) if reach else (0, 0, 0)


def _evenly_spaced(n: int) -> list[int]:
    """At most MAX_BACKGROUNDS of the numbers below n."""
    places: list[int] = np.unique(np.linspace(0, n - 1, min(n, MAX_BACKGROUNDS)).round().astype(int)).tolist()
    return places
