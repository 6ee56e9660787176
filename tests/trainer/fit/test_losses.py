"""Losses, with numbers worked out by hand on tiny masks."""

import math

import pytest
import torch
from torch import Tensor

from manifests.pixels.masks import boundary_band as numpy_boundary_band
from trainer.fit.losses import (
    LOSSES,
    boundary_band,
    cross_entropy,
    dice,
    focal,
    frequency_weights,
    lovasz,
    segmentation_loss,
)

HALF = math.log(2)  # cross-entropy of two equal logits


def logits_of(person: list[list[float]]) -> Tensor:
    """(H, W) person logits, background 0 -> (1, 2, H, W)."""
    person_logits = torch.tensor([person])
    return torch.stack([torch.zeros_like(person_logits), person_logits], dim=1)


def test_cross_entropy_of_2x2_pixels():
    # Person probabilities 3/4, 1/2, 1/2, 1/4, of which the first two pixels are person.
    logits = logits_of([[math.log(3), 0.0], [0.0, -math.log(3)]])
    labels = torch.tensor([[[1, 1], [0, 0]]])
    expected = (2 * -math.log(3 / 4) + 2 * HALF) / 4
    assert cross_entropy(logits, labels).item() == pytest.approx(expected)


def test_the_band_is_where_a_window_holds_both_classes():
    labels = torch.tensor([[[0, 0, 0, 1, 1, 1]]])
    assert boundary_band(labels, 3).long().tolist() == [[[0, 0, 1, 1, 0, 0]]]
    assert boundary_band(labels, 5).long().tolist() == [[[0, 1, 1, 1, 1, 0]]]


@pytest.mark.parametrize("label", [0, 1])
def test_a_mask_of_one_class_has_no_band(label: int):
    assert not boundary_band(torch.full((1, 20, 20), label)).any()


def test_the_band_of_the_loss_is_the_band_of_the_metric():
    labels = torch.rand(3, 40, 56, generator=torch.Generator().manual_seed(0)).pow(40).round().long()
    band = boundary_band(labels)
    assert 0 < band.float().mean() < 1
    for found, label in zip(band, labels, strict=True):
        assert (found.numpy() == numpy_boundary_band(label.numpy() > 0)).all()


def test_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match="expected an odd kernel, found 4"):
        boundary_band(torch.zeros(1, 2, 2), 4)


def test_the_boundary_term_is_the_bands_own_mean():
    # Four pixels in a row, kernel 3: the band is the middle two.
    logits = logits_of([[0.0, math.log(3), math.log(3), 0.0]])
    labels = torch.tensor([[[0, 0, 1, 1]]])
    wrong, right = -math.log(1 / 4), -math.log(3 / 4)
    expected = (HALF + wrong + right + HALF) / 4 + 0.5 * (wrong + right) / 2
    assert segmentation_loss(logits, labels, kernel_px=3).item() == pytest.approx(expected)


def test_without_a_boundary_the_loss_is_cross_entropy_and_no_nan():
    logits = logits_of([[0.3, -0.2], [0.1, 0.4]]).requires_grad_()
    labels = torch.ones(1, 2, 2, dtype=torch.long)
    loss = segmentation_loss(logits, labels)
    assert loss.item() == pytest.approx(cross_entropy(logits, labels).item())
    loss.backward()
    assert logits.grad.isfinite().all()


def test_the_gradient_is_the_one_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 4, 5, dtype=torch.double, generator=generator, requires_grad=True)
    labels = torch.randint(0, 2, (2, 4, 5), generator=generator)
    assert torch.autograd.gradcheck(lambda values: segmentation_loss(values, labels, kernel_px=3), logits)


def test_pixels_in_the_band_get_more_gradient():
    logits = torch.zeros(1, 2, 1, 6, requires_grad=True)
    segmentation_loss(logits, torch.tensor([[[0, 0, 0, 1, 1, 1]]]), kernel_px=3).backward()
    per_pixel = logits.grad.abs().sum(dim=1).flatten()  # (6,)
    # 1/6 of the mean everywhere; in the band half of 1/2 more.
    assert (per_pixel / per_pixel[0]).tolist() == pytest.approx([1.0, 1.0, 2.5, 2.5, 1.0, 1.0])


every_loss = pytest.mark.parametrize("name", LOSSES)


def test_class_weights_weigh_the_pixels_of_each_class():
    logits = logits_of([[0.0, math.log(3)]])  # person probabilities 1/2 and 3/4
    labels = torch.tensor([[[0, 1]]])
    expected = (1 * HALF + 3 * -math.log(3 / 4)) / (1 + 3)
    assert cross_entropy(logits, labels, weights=(1.0, 3.0)).item() == pytest.approx(expected)


def test_soft_labels_are_the_expected_cross_entropy():
    logits = logits_of([[math.log(3)]])
    expected = 0.25 * -math.log(1 / 4) + 0.75 * -math.log(3 / 4)
    assert cross_entropy(logits, torch.tensor([[[0.75]]])).item() == pytest.approx(expected)


def test_cross_entropy_is_torchs():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 5, 6, generator=generator)
    labels = torch.randint(0, 2, (2, 5, 6), generator=generator)
    expected = torch.nn.functional.cross_entropy(logits, labels, torch.tensor([0.7, 1.9]))
    torch.testing.assert_close(cross_entropy(logits, labels, weights=(0.7, 1.9)), expected)


def test_focal_of_2x2_pixels():
    logits = logits_of([[math.log(3), 0.0], [0.0, -math.log(3)]])
    labels = torch.tensor([[[1, 1], [0, 0]]])
    expected = (2 * (1 / 4) ** 2 * -math.log(3 / 4) + 2 * (1 / 2) ** 2 * HALF) / 4
    assert focal(logits, labels).item() == pytest.approx(expected)


def test_dice_of_2x2_pixels():
    logits = logits_of([[math.log(3), 0.0], [0.0, -math.log(3)]])  # 3/4, 1/2, 1/2, 1/4
    labels = torch.tensor([[[1, 1], [0, 0]]])
    coefficient = (2 * (3 / 4 + 1 / 2) + 1) / (2 + 2 + 1)  # both classes alike
    assert dice(logits, labels).item() == pytest.approx(1 - coefficient)


def test_lovasz_of_a_certain_prediction_is_one_minus_iou():
    sure = 100.0
    logits = logits_of([[sure, sure, -sure, -sure]])
    labels = torch.tensor([[[1, 0, 0, 0]]])
    # person: 1 of 2; background: 2 of 3
    assert lovasz(logits, labels).item() == pytest.approx(1 - (1 / 2 + 2 / 3) / 2, abs=1e-6)


@every_loss
def test_every_loss_is_least_where_the_prediction_is_right(name: str):
    labels = torch.tensor([[[1, 1, 0, 0]]])
    right, unsure, wrong = (LOSSES[name](logits_of([[s, s, -s, -s]]), labels).item() for s in (20.0, 0.0, -20.0))
    assert right == pytest.approx(0, abs=1e-3)
    assert right < unsure < wrong


@every_loss
def test_every_loss_has_the_gradient_of_finite_differences(name: str):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 4, 5, dtype=torch.double, generator=generator, requires_grad=True)
    labels = torch.randint(0, 2, (2, 4, 5), generator=generator)
    within = torch.rand(2, 4, 5, generator=generator) < 0.7
    weights = (0.7, 1.9)
    assert torch.autograd.gradcheck(lambda values: LOSSES[name](values, labels, weights=weights, within=within), logits)


@every_loss
def test_every_loss_moves_every_pixel_of_an_unsure_prediction(name: str):
    """The public Dice loss that thresholds first has no gradient at all; ours must have."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(1, 2, 6, 6, generator=generator).requires_grad_()
    labels = torch.zeros(1, 6, 6, dtype=torch.long)
    labels[:, 2:, 2:] = 1
    LOSSES[name](logits, labels).backward()
    assert (logits.grad.abs() > 0).float().mean() > 0.95


@every_loss
def test_pixels_outside_count_for_nothing(name: str):
    generator = torch.Generator().manual_seed(2)
    logits, labels = torch.randn(1, 2, 4, 4, generator=generator), torch.randint(0, 2, (1, 4, 4), generator=generator)
    within = torch.zeros(1, 4, 4, dtype=torch.bool)
    within[:, :2] = True
    expected = LOSSES[name](logits[:, :, :2], labels[:, :2])
    torch.testing.assert_close(LOSSES[name](logits, labels, within=within), expected)


@every_loss
def test_no_pixel_gives_no_nan(name: str):
    logits = torch.zeros(1, 2, 4, 4, requires_grad=True)
    nowhere = torch.zeros(1, 4, 4, dtype=torch.bool)
    loss = LOSSES[name](logits, torch.zeros(1, 4, 4), within=nowhere)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.isfinite().all()


def test_the_rarer_class_weighs_more():
    background, person = frequency_weights(0.25)
    assert background == pytest.approx(1 / math.log(1.85))
    assert person == pytest.approx(1 / math.log(1.35))
