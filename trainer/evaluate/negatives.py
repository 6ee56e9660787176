"""false_person_share: the share of pixels that a network marks as person, in images without people.

Networks fitted on portraits alone have never seen such an image.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import list_pictures, usable_pictures
from manifests.pixels.masks import PERSON_LEVEL, PERSON_PROB
from manifests.pixels.metrics import RESAMPLES, Interval, percentile_interval
from manifests.progress import progress
from manifests.samples.pair import read_image, read_mask
from manifests.store.training_rows import AcceptedRow
from trainer.data.backgrounds import MIN_SIDE_FRACTION, free_piece
from trainer.inference.predictors import Predictor

Shares = npt.NDArray[np.float64]


def pieces_without_people(rows: Sequence[AcceptedRow], blobs: BlobStore) -> list[Pixels]:
    """RGB, the largest square of every photograph outside its mask, where it is large enough."""
    pieces = []
    for row in progress(rows, "cutting out backgrounds", total=len(rows)):
        person = read_mask(blobs, row) >= PERSON_LEVEL
        piece = free_piece(read_image(blobs, row), person)
        if piece is not None:
            pieces.append(piece.copy())  # without the rest of its photograph
    if not pieces:
        raise UserError(
            f"expected photographs with a square of {MIN_SIDE_FRACTION:.0%} of their side without a person, found "
            f"none in {len(rows)}; give --person-free a folder of images without people"
        )
    return pieces


def pictures_without_people(directory: Path) -> list[Pixels]:
    """RGB, the images of a folder; unusable files are reported on stderr and skipped."""
    images = [rgb for _, rgb in usable_pictures(list_pictures(directory))]
    if not images:
        raise UserError(f"expected a usable image in {directory}, found none; see the lines above")
    return images


def false_person_shares(predictor: Predictor, pictures: Sequence[Pixels]) -> Shares:
    """Share of each image's pixels marked as person, (N,)."""
    shares: Iterator[float] = (
        float((predictor.person_prob(rgb) >= PERSON_PROB).mean())
        for rgb in progress(pictures, "measuring images without people", total=len(pictures))
    )
    return np.fromiter(shares, np.float64, len(pictures))


def mean_interval(shares: Shares, *, seed: int = 0) -> Interval:
    """95 % percentile bootstrap interval of the mean."""
    drawn = np.random.default_rng(seed).integers(0, len(shares), (RESAMPLES, len(shares)))
    return percentile_interval(shares[drawn].mean(axis=1))
