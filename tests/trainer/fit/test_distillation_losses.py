"""Losses against teachers, with numbers worked out by hand."""

import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn

from trainer.data.preprocessing import imagenet
from trainer.fit.distillation_losses import DISTILL_LOSSES, channel_wise, soft_cross_entropy, softened
from trainer.fit.losses import EVEN, segmentation_loss
from trainer.fit.objective import objective
from trainer.fit.options import DISTILL_LOSSES as OPTIONS
from trainer.fit.recipe import default

HALF = math.log(2)  # cross-entropy of two equal probabilities
ONE_TO_THREE = 0.5 * math.log(4 / 3)  # divergence of (1/2, 1/2) from (1/4, 3/4)


def row(*logits: float) -> Tensor:
    """Person logits of pixels in a row, background 0 -> (1, 2, 1, W)."""
    person = torch.tensor([[logits]])
    return torch.stack([torch.zeros_like(person), person], dim=1)


def test_the_options_are_the_losses():
    assert tuple(DISTILL_LOSSES) == OPTIONS


def test_a_temperature_divides_the_logits():
    assert softened(torch.tensor([0.9, 0.0, 1.0, 0.5]), 2.0).tolist() == pytest.approx([0.75, 0, 1, 0.5])


def test_cross_entropy_at_temperature_2_is_four_times_that_of_half_the_logits():
    logits, taught = row(math.log(9)), torch.tensor([[[0.9]]])  # halved, both are 3/4
    expected = 4 * -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert soft_cross_entropy(logits, taught, temperature=2.0).item() == pytest.approx(expected)


def test_channel_wise_compares_where_each_channels_logits_lie():
    even = torch.tensor([[[0.5, 0.5]]])
    assert channel_wise(row(0.0, math.log(3)), even).item() == pytest.approx(ONE_TO_THREE)
    doubled = row(0.0, 2 * math.log(3))
    assert channel_wise(doubled, even, temperature=2.0).item() == pytest.approx(4 * ONE_TO_THREE)


def test_channel_wise_leaves_a_constant_on_all_logits_open():
    taught = torch.tensor([[[0.2, 0.9, 0.6]]])
    assert channel_wise(taught.logit() + 5, taught).item() == pytest.approx(0, abs=1e-6)


def test_channel_wise_of_a_certain_teacher_is_finite():
    logits = row(0.0, 1.0).requires_grad_()
    loss = channel_wise(logits, torch.tensor([[[0.0, 1.0]]]))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_bpkd_compares_the_body_as_a_shape_and_the_band_by_pixels():
    logits, taught = row(0.0, 0.0, 0.0, math.log(3)), torch.full((1, 1, 4), 0.5)
    band = torch.tensor([[[False, True, True, False]]])
    loss = DISTILL_LOSSES["bpkd"](logits, taught, band, temperature=1.0, boundary_weight=0.5)
    assert loss.item() == pytest.approx(ONE_TO_THREE + 0.5 * HALF)


def test_bpkd_of_a_band_without_body_or_without_band_is_no_nan():
    logits, taught = row(0.0, math.log(3)), torch.full((1, 1, 2), 0.5)
    for band in (torch.ones(1, 1, 2, dtype=torch.bool), torch.zeros(1, 1, 2, dtype=torch.bool)):
        assert DISTILL_LOSSES["bpkd"](logits, taught, band, temperature=1.0, boundary_weight=0.5).isfinite()


@pytest.mark.parametrize("name", DISTILL_LOSSES)
def test_every_loss_is_least_at_the_teacher_and_has_the_gradient_of_finite_differences(name: str):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 3, 4, dtype=torch.double, generator=generator, requires_grad=True)
    taught = torch.rand(2, 3, 4, dtype=torch.double, generator=generator) * 0.9 + 0.05
    band = torch.rand(2, 3, 4, generator=generator) < 0.5

    def loss_of(values: Tensor) -> Tensor:
        return DISTILL_LOSSES[name](values, taught, band, temperature=2.0, boundary_weight=0.5)

    assert torch.autograd.gradcheck(loss_of, logits)
    assert loss_of(taught.logit()) < loss_of(taught.logit() + torch.randn(2, 3, 4, generator=generator))


def test_ce_at_temperature_1_is_the_loss_of_the_mixed_target():
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, 20, 20, generator=generator)
    labels = torch.zeros(2, 20, 20)
    labels[:, 4:, 3:12] = 1
    taught = torch.rand(2, 20, 20, generator=generator)
    network = nn.Conv2d(3, 2, 1)
    recipe = dataclasses.replace(default(), distill_share=0.3)
    found = objective(network, recipe, weights=EVEN, kernel_px=5, preprocessing=imagenet(8))(images, labels, taught)
    expected = segmentation_loss(network(images), torch.lerp(labels, taught, 0.3), kernel_px=5)
    torch.testing.assert_close(found, expected)


def test_a_share_of_1_leaves_the_masks_out():
    taught, network = torch.full((1, 4, 4), 0.9), nn.Conv2d(3, 2, 1)
    recipe = dataclasses.replace(default(), distill_share=1.0)
    loss_of = objective(network, recipe, weights=EVEN, kernel_px=3, preprocessing=imagenet(8))
    images = torch.ones(1, 3, 4, 4)
    losses = [loss_of(images, labels, taught).item() for labels in (torch.zeros(1, 4, 4), torch.ones(1, 4, 4))]
    assert losses[0] == losses[1]
