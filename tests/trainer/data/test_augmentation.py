"""Augmentation: seeded, image and label together, each change what its name says."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageEnhance
from torch import Tensor

from trainer.data import augmentation
from trainer.data.augmentation import Augmenter
from trainer.data.augmentation_presets import AUGMENTATIONS, Augmentation, portraitnet
from trainer.data.rank_slice import RankSlice

CPU = torch.device("cpu")
WARPED_ONLY = Augmentation(rotation_degrees=45.0, scale=(0.8, 1.5), pivot_fraction=0.25, flip_prob=0.5)


def augment(settings: Augmentation, images: Tensor, labels: Tensor, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    return Augmenter(settings, torch.Generator().manual_seed(seed), CPU)(images, labels)


def noisy_batch(n: int, side: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=generator)
    return images, torch.randint(0, 2, (n, side, side), dtype=torch.uint8, generator=generator) * 255


def test_the_numbers_are_portraitnets():
    found = portraitnet()
    assert (found.rotation_degrees, found.scale, found.pivot_fraction * 224) == (45.0, (0.5, 1.5), 56.0)
    assert (found.flip_prob, found.colour_prob, found.blur_prob, found.noise_prob) == (0.5, 0.5, 0.5, 0.5)
    assert (found.colour, found.brightness, found.contrast) == ((0.4, 1.6), (0.4, 1.6), (0.6, 1.4))
    assert (found.sharpness, found.noise_sigma) == ((0.8, 1.2), 10.0)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_same_seed_augments_the_same_way(name: str):
    images, labels = noisy_batch(8, 32)
    results = [augment(AUGMENTATIONS[name](), images, labels, seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert torch.equal(results[0][0], results[2][0]) == (name == "none")


def test_shares_of_a_batch_are_changed_like_the_whole_of_it():
    images, labels = noisy_batch(8, 32)
    whole = augment(portraitnet(), images, labels)
    parts = []
    for share in (RankSlice(0, 2), RankSlice(1, 2)):
        augmenter = Augmenter(portraitnet(), torch.Generator().manual_seed(0), CPU)
        rows = share.rows(8)
        parts.append(augmenter(images[rows], labels[rows], share=share))
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), whole[0], rtol=0, atol=1e-3)
    torch.testing.assert_close(torch.cat([part[1] for part in parts]), whole[1], rtol=0, atol=1e-5)


def test_at_half_the_side_a_pixel_is_the_mean_of_four():
    images, labels = noisy_batch(2, 32)
    augmenter = Augmenter(AUGMENTATIONS["none"](), torch.Generator().manual_seed(0), CPU)
    smaller, shares = augmenter(images, labels, side_px=16)
    torch.testing.assert_close(smaller, F.avg_pool2d(images.float(), 2), rtol=0, atol=1e-3)
    torch.testing.assert_close(shares, F.avg_pool2d(labels.float() / 255, 2), rtol=0, atol=1e-5)


def test_no_augmentation_changes_nothing():
    images, labels = noisy_batch(2, 32)
    same, shares = augment(AUGMENTATIONS["none"](), images, labels)
    torch.testing.assert_close(same, images.float(), rtol=0, atol=1e-2)
    torch.testing.assert_close(shares, labels / 255, rtol=0, atol=1e-4)


def test_image_and_label_are_warped_alike_and_no_two_samples_the_same():
    images = torch.zeros(16, 3, 96, 96, dtype=torch.uint8)
    labels = torch.zeros(16, 96, 96, dtype=torch.uint8)
    images[:, :, 20:60, 30:70] = 255  # a white square is the person
    labels[:, 20:60, 30:70] = 255
    warped, shares = augment(WARPED_ONLY, images, labels)
    white, person = warped[:, 0] > 191, shares > 0.5  # what is uncovered is grey, half as bright
    overlap = (white & person).sum(dim=(1, 2)) / (white | person).sum(dim=(1, 2))
    assert overlap.min() > 0.9
    assert len(torch.unique(shares, dim=0)) == 16


def test_augmented_images_stay_in_range_and_shares_in_the_unit_interval():
    images, labels = noisy_batch(16, 64)
    changed, shares = augment(portraitnet(), images, labels)
    assert 0 <= changed.min() <= changed.max() <= 255
    assert 0 <= shares.min() <= shares.max() <= 1


def test_the_grid_is_torchs_affine_grid():
    affine = torch.randn(3, 2, 3, generator=torch.Generator().manual_seed(0))
    expected = F.affine_grid(affine, [3, 1, 50, 50], align_corners=False)
    torch.testing.assert_close(augmentation._affine_grid(affine, 50), expected)


@pytest.mark.parametrize("side_px", [3, 5])
def test_the_median_is_opencvs(side_px: int):
    picture = noisy_batch(1, 40)[0]
    expected = cv2.medianBlur(picture[0].permute(1, 2, 0).numpy(), side_px)
    found = augmentation._median(picture.float(), side_px)[0].permute(1, 2, 0).numpy()
    assert (found == expected).all()


@pytest.mark.parametrize("gaussian", [True, False])
@pytest.mark.parametrize("side_px", [3, 5])
def test_gaussian_and_box_are_opencvs(gaussian: bool, side_px: int):
    picture = noisy_batch(1, 40)[0].float()
    kernel = augmentation._blur_kernel(gaussian, side_px == 5)
    found = augmentation._convolve(picture, kernel[None])[0].permute(1, 2, 0).numpy()
    rgb = picture[0].permute(1, 2, 0).numpy()
    border = cv2.BORDER_REPLICATE
    size = (side_px, side_px)
    expected = cv2.GaussianBlur(rgb, size, 0, borderType=border) if gaussian else cv2.blur(rgb, size, borderType=border)
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize(
    ("name", "enhancer"),
    [
        ("colour", ImageEnhance.Color),
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("sharpness", ImageEnhance.Sharpness),
    ],
)
def test_colour_changes_are_pillows(name: str, enhancer: type):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(64, 192, (1, 3, 32, 32), dtype=torch.uint8, generator=generator)  # far from clipping
    labels = torch.zeros(1, 32, 32, dtype=torch.uint8)
    found, _ = augment(Augmentation(colour_prob=1.0, **{name: (1.2, 1.2)}), images, labels)
    expected = np.asarray(enhancer(Image.fromarray(images[0].permute(1, 2, 0).numpy())).enhance(1.2))
    inner = slice(1, -1)  # Pillow leaves the border as it is
    np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy()[inner, inner], expected[inner, inner], atol=1.5)


def test_noise_has_the_strength_it_was_given():
    images = torch.full((64, 3, 32, 32), 128, dtype=torch.uint8)
    noisy, _ = augment(Augmentation(noise_prob=0.5, noise_sigma=10.0), images, images[:, 0])
    sigmas = noisy.flatten(1).std(dim=1)
    assert (sigmas < 0.01).float().mean() == pytest.approx(0.5, abs=0.2)
    assert 8 < sigmas.max() < 10.5


def test_a_share_of_the_images_becomes_black_and_white():
    grey = Augmentation(grey_prob=0.5)
    images, labels = noisy_batch(64, 8)
    changed, _ = augment(grey, images, labels)
    without_colour = (changed - changed[:, :1]).abs().amax(dim=(1, 2, 3)) < 0.01
    assert 20 < without_colour.sum() < 44
    luma = (images[without_colour].float() * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1)
    assert torch.allclose(changed[without_colour][:, 0], luma, atol=0.01)
    assert torch.allclose(changed[~without_colour], images[~without_colour].float(), atol=0.01)
