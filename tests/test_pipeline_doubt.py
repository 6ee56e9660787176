"""Doubt, by hand."""

import pytest

from manifests.samples import Scores
from pipeline.doubt import doubt

SURE = Scores(1.0, 0.0, 0.5, 1, 0, 0.2)
HARD = Scores(None, None, 0.5, 1, 0, 0.2)


def test_a_sure_mask_that_covers_the_face_is_in_no_doubt() -> None:
    assert doubt(SURE, face_fraction=1.0, disagreement=0.0) == 0.0
    assert doubt(HARD, face_fraction=0.8) == 0.0  # the corners of a face's box are hair and background
    assert doubt(HARD, face_fraction=None) == 0.0


def test_uncertain_pixels_count_by_the_size_of_the_person() -> None:
    unsure = Scores(0.95, 0.3, 0.5, 1, 0, 0.2)
    assert doubt(unsure, face_fraction=1.0) == pytest.approx(0.05 / 0.5)
    small = Scores(0.95, 0.3, 0.1, 1, 0, 0.0)
    assert doubt(small, face_fraction=1.0) == pytest.approx(0.05 / 0.1)


def test_causes_combine_as_independent_ones() -> None:
    unsure = Scores(0.9, 0.3, 0.5, 1, 0, 0.2)
    assert doubt(unsure, face_fraction=0.4, disagreement=0.1) == pytest.approx(1 - (1 - 0.2) * (1 - 0.5) * (1 - 0.1))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nobody_and_everything_are_in_full_doubt(share: float) -> None:
    assert doubt(Scores(None, None, share, 1, 0, share), face_fraction=share) == pytest.approx(1.0)


def test_the_shape_counts_where_there_are_no_probabilities() -> None:
    torn = {"components": 3, "holes": 2, "border_fraction": 1.0, "person_fraction": 0.5}
    soft = Scores(confidence=1.0, boundary_uncertainty=0.0, **torn)  # type: ignore[arg-type]
    hard = Scores(confidence=None, boundary_uncertainty=None, **torn)  # type: ignore[arg-type]
    assert doubt(soft, face_fraction=1.0) == 0.0
    assert doubt(hard, face_fraction=1.0) == pytest.approx(1 - (1 - 0.08) * (1 - 0.5))


def test_many_pieces_stay_within_1() -> None:
    assert doubt(Scores(None, None, 0.5, 900, 900, 1.0), face_fraction=0.0) == 1.0
