"""Mixup and CutMix: shares of images and labels, worked out by hand."""

import pytest
import torch

from trainer.data.mixing import Mixer, cut_boxes, cutmix, mixup

SWAPPED = torch.tensor([1, 0])


def two_flat_images(side_px: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A black image without a person and a white one full of person."""
    images = torch.stack([torch.zeros(3, side_px, side_px), torch.full((3, side_px, side_px), 200.0)])
    return images, torch.stack([torch.zeros(side_px, side_px), torch.ones(side_px, side_px)])


def test_mixup_keeps_the_share_of_image_and_label():
    images, labels = mixup(*two_flat_images(2), SWAPPED, torch.tensor([0.75, 0.5]))
    assert images[:, 0, 0, 0].tolist() == [50.0, 100.0]
    assert labels[:, 0, 0].tolist() == [0.25, 0.5]


def test_cutmix_pastes_the_partners_pixels_and_labels_in_the_box():
    boxes = torch.tensor([[1, 0, 3, 1], [0, 0, 0, 0]])  # two columns of the first row; nothing
    images, labels = cutmix(*two_flat_images(4), SWAPPED, boxes)
    assert labels[0].tolist() == [[0, 1, 1, 0], [0] * 4, [0] * 4, [0] * 4]
    assert torch.equal(images[0], 200 * labels[0].expand(3, 4, 4))
    assert labels[1].min() == 1


def test_a_box_covers_the_area_that_is_not_kept_and_ends_at_the_border():
    boxes = cut_boxes(torch.tensor([0.75, 0.75, 1.0]), torch.tensor([[4.0, 4.0], [8.0, 1.0], [4.0, 4.0]]), 8)
    assert boxes.tolist() == [[2, 2, 6, 6], [6, 0, 8, 3], [4, 4, 4, 4]]


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_a_seed_gives_the_same_mixture_and_labels_follow_their_images(kind: str):
    batch = two_flat_images(16)
    mixer = Mixer(kind, 1.0)
    (images, labels), (again, _), (other, _) = (
        mixer(*batch, torch.Generator().manual_seed(seed)) for seed in (3, 3, 8)
    )
    assert torch.equal(images, again)
    assert not torch.equal(images, other)
    assert not torch.equal(images, batch[0])
    torch.testing.assert_close(images[:, 0] / 200, labels)
