"""Losses, with numbers worked out by hand on tiny masks."""

import math

import pytest
import torch
from torch import Tensor

from trainer.losses import boundary_band, cross_entropy, segmentation_loss
from trainer.metrics import boundary_band as numpy_boundary_band

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
