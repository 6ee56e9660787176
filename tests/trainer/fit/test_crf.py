"""The CRF loss, worked out by hand on tiny images."""

import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn

from trainer.data.preprocessing import imagenet
from trainer.fit.crf import RADIUS_PX, SIDE_PX, SIGMA_COLOUR, SIGMA_PX, crf, pair_weights
from trainer.fit.losses import EVEN
from trainer.fit.objective import objective
from trainer.fit.recipe import default


def logits_of(*probs: float) -> Tensor:
    """Probabilities of one row -> person logits (1, 1, W)."""
    return torch.tensor([[probs]]).logit()


def gray(*values: float) -> Tensor:
    """One row -> RGB (1, 3, 1, W)."""
    return torch.tensor(values).view(1, 1, 1, -1).expand(1, 3, 1, -1)


def test_two_pixels_cost_the_probability_that_their_classes_differ():
    assert crf(logits_of(0.9, 0.2), gray(0.5, 0.5)).item() == pytest.approx(0.9 * 0.8 + 0.1 * 0.2)


def test_pairs_count_by_distance_and_colour():
    near, far = math.exp(-1 / (2 * SIGMA_PX**2)), math.exp(-4 / (2 * SIGMA_PX**2))
    unlike = math.exp(-3 * 0.1**2 / (2 * SIGMA_COLOUR**2))  # in three channels
    first, middle, last = 0.9, 0.5, 0.2
    differ = [0.5, 0.5, first * (1 - last) + last * (1 - first)]  # of a pixel at one half: one half
    weights = [near, near * unlike, far * unlike]
    expected = sum(w * d for w, d in zip(weights, differ, strict=True)) / sum(weights)
    assert crf(logits_of(first, middle, last), gray(0.3, 0.3, 0.4)).item() == pytest.approx(expected)


def test_every_pair_of_a_window_counts_once():
    weights = pair_weights(torch.zeros(1, 3, 20, 30))
    inner = weights.view(60, 20, 30)[:, RADIUS_PX:-RADIUS_PX, RADIUS_PX:-RADIUS_PX]
    assert (inner > 0).all()
    reach = [(dy, dx) for dy in range(-RADIUS_PX, RADIUS_PX + 1) for dx in range(-RADIUS_PX, RADIUS_PX + 1)]
    pairs = sum((20 - abs(dy)) * (30 - abs(dx)) for dy, dx in reach if (dy, dx) != (0, 0)) // 2
    assert (weights > 0).sum() == pairs


def test_a_hole_in_one_colour_is_filled_and_one_of_another_colour_is_kept():
    logits = torch.full((1, 7, 7), 2.0)
    logits[0, 3, 3] = -2.0
    colours = torch.full((2, 3, 7, 7), 0.5)
    colours[1, :, 3, 3] = 1.0
    pulls = []
    for image in colours:
        hole = logits.clone().requires_grad_()
        crf(hole, image[None]).backward()
        pulls.append(hole.grad[0, 3, 3].item())
    assert pulls[0] < 0  # the person's logit goes up
    assert abs(pulls[1]) < abs(pulls[0]) / 1000


def test_large_images_are_averaged_down_and_two_logits_count_by_their_difference():
    generator = torch.Generator().manual_seed(0)
    small = torch.randn(2, SIDE_PX, SIDE_PX, generator=generator)
    colours = torch.rand(2, 3, SIDE_PX, SIDE_PX, generator=generator)
    large = small.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    both = torch.stack([torch.full_like(large, 3.0), large + 3], dim=1)
    expected = crf(small, colours)
    torch.testing.assert_close(crf(both, colours.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)), expected)


def test_the_gradient_is_the_one_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 6, 7, dtype=torch.double, generator=generator, requires_grad=True)
    colours = torch.rand(2, 3, 6, 7, dtype=torch.double, generator=generator)
    assert torch.autograd.gradcheck(lambda values: crf(values, colours), logits)


def test_its_weight_adds_it_to_the_masks_loss():
    network, preprocessing = nn.Conv2d(3, 2, 1), imagenet(8)
    rgb = torch.randint(0, 256, (2, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    images, labels = preprocessing.normalise(rgb), torch.zeros(2, 8, 8)
    losses = {}
    for weight in (0.0, 0.3):
        recipe = dataclasses.replace(default(), crf=weight)
        losses[weight] = objective(network, recipe, weights=EVEN, kernel_px=3, preprocessing=preprocessing)(
            images, labels
        )
    torch.testing.assert_close(losses[0.3], losses[0.0] + 0.3 * crf(network(images), rgb / 255))


def test_a_single_pixel_costs_nothing():
    assert crf(logits_of(0.5), gray(0.5)).item() == 0
