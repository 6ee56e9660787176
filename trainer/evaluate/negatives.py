"""What a network finds where nobody is: the share of pixels it calls person, in pictures that show none.

Networks fitted on portraits alone were never shown that there may be no person.
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
    """RGB, of every photograph the largest square that its mask leaves free, where it is large enough."""
    found = []
    for row in progress(rows, "cutting out backgrounds", total=len(rows)):
        person = read_mask(blobs, row) >= PERSON_LEVEL
        piece = free_piece(read_image(blobs, row), person)
        if piece is not None:
            found.append(piece.copy())  # without the rest of its photograph
    if not found:
        raise UserError(
            f"expected photographs with a square of {MIN_SIDE_FRACTION:.0%} of their side without a person, found "
            f"none in {len(rows)}; give --person-free a folder of pictures without people"
        )
    return found


def pictures_without_people(directory: Path) -> list[Pixels]:
    """RGB, of a folder; each file that is no usable picture is said on standard error and left out."""
    found = [rgb for _, rgb in usable_pictures(list_pictures(directory))]
    if not found:
        raise UserError(f"expected a usable picture in {directory}, found none; see the lines above")
    return found


def false_person_shares(predictor: Predictor, pictures: Sequence[Pixels]) -> Shares:
    """Of each picture the share of its pixels that is called person, (N,)."""
    found: Iterator[float] = (
        float((predictor.person_prob(rgb) >= PERSON_PROB).mean())
        for rgb in progress(pictures, "looking for nobody", total=len(pictures))
    )
    return np.fromiter(found, np.float64, len(pictures))


def mean_interval(shares: Shares, *, seed: int = 0) -> Interval:
    """95 % percentile bootstrap interval of the mean."""
    drawn = np.random.default_rng(seed).integers(0, len(shares), (RESAMPLES, len(shares)))
    return percentile_interval(shares[drawn].mean(axis=1))
