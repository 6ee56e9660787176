"""The three metrics, with numbers worked out by hand on tiny masks."""

import numpy as np
import pytest

from manifests.pixels.masks import Mask, boundary_band
from manifests.pixels.metrics import MetricsAccumulator, boundary_f1, confusion_matrix, iou


def mask_of(*rows: str) -> Mask:
    """`mask_of("#.", "##")`: # is person."""
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def test_the_confusion_matrix_counts_truth_by_prediction():
    counts = confusion_matrix(mask_of("##", ".."), mask_of("#.", "#."))
    assert counts.tolist() == [[1, 1], [1, 1]]


def test_iou_of_2x2_masks():
    counts = confusion_matrix(mask_of("##", "#."), mask_of("#.", "#."))
    assert iou(counts, 1) == pytest.approx(2 / 3)
    assert iou(counts, 0) == pytest.approx(1 / 2)


def test_a_class_in_neither_mask_has_iou_1():
    assert iou(confusion_matrix(mask_of(".."), mask_of("..")), 1) == 1.0


def test_person_iou_is_0_when_only_one_mask_is_empty():
    assert iou(confusion_matrix(mask_of("#."), mask_of("..")), 1) == 0.0


def test_miou_is_over_the_datasets_pixels_and_person_iou_over_images():
    accumulator = MetricsAccumulator()
    accumulator.add(mask_of("##", "##"), mask_of("##", "##"))  # person IoU 1
    accumulator.add(mask_of("#."), mask_of(".#"))  # person IoU 0
    metrics = accumulator.result()
    # Person: 4 hits of 6 pixels in the union. Background: 0 hits of 2.
    assert metrics.n == 2
    assert metrics.miou == pytest.approx((4 / 6 + 0 / 2) / 2)
    assert metrics.person_iou_per_image == pytest.approx(0.5)


def test_both_masks_empty_is_a_perfect_image():
    accumulator = MetricsAccumulator()
    accumulator.add(mask_of("..", ".."), mask_of("..", ".."))
    metrics = accumulator.result()
    assert (metrics.miou, metrics.person_iou_per_image, metrics.boundary_f1) == (1.0, 1.0, 1.0)


def test_the_band_is_dilation_minus_erosion():
    assert boundary_band(mask_of("...###"), 3).tolist() == mask_of("..##..").tolist()


def test_boundary_f1_counts_only_the_band():
    truth = mask_of("....####")
    assert boundary_f1(mask_of("#...####"), truth, 3) == 1.0  # the mistake is far from the boundary
    # Band: columns 3 and 4. Predicted person 2, true person 1, hit 1: precision 1/2, recall 1.
    assert boundary_f1(mask_of("...#####"), truth, 3) == pytest.approx(2 / 3)


def test_boundary_f1_without_a_hit_is_0():
    assert boundary_f1(mask_of("##.."), mask_of("..##"), 3) == 0.0


def test_precision_is_1_where_nothing_is_called_person():
    assert boundary_f1(mask_of("...."), mask_of("..##"), 3) == 0.0  # recall 0


def test_boundary_f1_of_an_image_without_a_boundary_is_1():
    assert boundary_f1(mask_of("##", ".."), mask_of("..", "..")) == 1.0
    assert boundary_f1(mask_of("..", ".."), mask_of("##", "##")) == 1.0


def test_masks_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match=r"expected a prediction of the mask's size \(1, 2\), found \(1, 3\)"):
        MetricsAccumulator().add(mask_of("###"), mask_of("##"))


def test_no_image_gives_no_metrics():
    with pytest.raises(ValueError, match="at least one image"):
        MetricsAccumulator().result()
