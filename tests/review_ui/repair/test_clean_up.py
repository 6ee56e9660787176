"""Actions on a whole mask, on masks whose result is known by hand."""

import numpy as np
import pytest

from review_ui.repair.clean_up import fill_holes, keep_largest_piece, smooth_edge, with_person


@pytest.fixture
def mask() -> np.ndarray:
    """A soft person 40 px wide, with a hole, and an island."""
    made = np.zeros((100, 80), np.uint8)
    made[30:, 10:50] = 200
    made[60:70, 20:30] = 90  # a hole
    made[5:12, 60:70] = 255  # an island
    return made


def test_the_largest_piece_stays_with_its_values(mask):
    kept = keep_largest_piece(mask)
    assert not kept[:30].any()
    assert (kept[30:] == mask[30:]).all()


def test_a_mask_of_one_piece_or_none_stays(mask):
    single = keep_largest_piece(mask)
    assert (keep_largest_piece(single) == single).all()
    assert not keep_largest_piece(np.zeros((40, 40), np.uint8)).any()


def test_holes_are_filled_and_the_background_stays(mask):
    filled = fill_holes(mask)
    assert (filled[60:70, 20:30] == 255).all()
    filled[60:70, 20:30] = mask[60:70, 20:30]
    assert (filled == mask).all()


def test_a_bay_that_reaches_the_border_is_no_hole(mask):
    mask[60:70, :20] = 0
    mask[60:70, 20:50] = 0
    assert (fill_holes(mask) == mask).all()


def test_a_diagonal_gap_does_not_open_a_hole():
    ring = np.zeros((40, 40), np.uint8)
    ring[10:30, 10:30] = 255
    ring[15:25, 15:25] = 0
    ring[14, 14] = ring[13, 13] = ring[12, 12] = ring[11, 11] = ring[10, 10] = 0  # the background joins by corners only
    assert (fill_holes(ring)[15:25, 15:25] == 255).all()


def test_a_spike_goes_and_a_straight_edge_stays():
    mask = np.zeros((400, 300), np.uint8)
    mask[200:, 50:250] = 255
    spiked = mask.copy()
    spiked[180:200, 140:142] = 255
    smooth = smooth_edge(spiked)
    assert not smooth[:197, 100:200].any()
    assert (smooth[201:, 60:240] == 255).all()
    assert np.count_nonzero(smooth != mask) < 20


def test_only_what_changes_sides_gets_another_value(mask):
    person = mask >= 128
    person[0, 0] = True
    changed = with_person(mask, person)
    assert changed[0, 0] == 255
    changed[0, 0] = mask[0, 0]
    assert (changed == mask).all()
