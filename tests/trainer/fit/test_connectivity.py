"""The connectivity loss, worked out by hand on tiny masks."""

import pytest
import torch
from torch import Tensor

from trainer.fit.connectivity import MAX_PARTS, connectivity, parts

SURE = 100.0  # a logit


def certain(text: str) -> Tensor:
    """Rows of . and # -> person logits (1, H, W), certain."""
    return torch.tensor([[[SURE if mark == "#" else -SURE for mark in line] for line in text.split()]])


def labels_of(text: str) -> Tensor:
    return (certain(text) > 0).float()


@pytest.mark.parametrize(
    ("predicted", "label", "expected"),
    [
        ("##.. ##.. .... ....", "##.. ##.. .... ....", 0),
        (".... ....", ".... ....", 0),
        ("##.. ##.. .... ...#", "##.. ##.. .... ....", 1 - 1 / 2),  # one true part of IoU 1, one island
        ("#.# ... ...", "### ... ...", 1 - 1 / 3),  # two touching parts of IoU 1/3
        ("##.. ##.. .... ....", "##.. ##.. .... ...#", 1 - 1 / 2),  # a true part that nothing touches
        ("#... .... .... ....", ".... .... .... ...#", 2 / 16),  # nothing overlaps: the share of either
        ("#... .... .... ....", ".... .... .... ....", 1 / 16),
    ],
)
def test_the_loss_is_one_minus_the_mean_over_parts_and_islands(predicted: str, label: str, expected: float):
    assert connectivity(certain(predicted), labels_of(label)).item() == pytest.approx(expected, abs=1e-6)


def test_the_loss_of_a_batch_is_the_mean_over_its_images():
    predicted = torch.cat([certain("##.. ##.. .... ...#"), certain("##.. ##.. .... ....")])
    label = labels_of("##.. ##.. .... ....").expand(2, 4, 4)
    assert connectivity(predicted, label).item() == pytest.approx(1 / 4)


def test_two_logits_count_by_their_difference():
    person, label = certain("##.. ##.. .... ...#"), labels_of("##.. ##.. .... ....")
    both = torch.stack([torch.full_like(person, 3.0), person + 3], dim=1)
    assert connectivity(both, label).item() == pytest.approx(connectivity(person, label).item())


def test_an_island_is_pushed_down_and_the_matched_part_up():
    logits = certain("##.. ##.. .... ...#").clamp(-2, 2).requires_grad_()
    connectivity(logits, labels_of("##.. ##.. .... ....")).backward()
    assert logits.grad[0, 3, 3] > 0
    assert (logits.grad[0, :2, :2] < 0).all()


def test_the_gradient_is_the_one_of_finite_differences():
    logits = torch.randn(2, 6, 7, dtype=torch.double, generator=torch.Generator().manual_seed(0), requires_grad=True)
    label = labels_of("##....# ##..... ....... ....... ...###. ...###.").double().expand(2, 6, 7)
    assert torch.autograd.gradcheck(lambda values: connectivity(values, label), logits)


def test_parts_are_numbered_by_area_and_the_smallest_share_the_last_number():
    dots = torch.zeros(1, 8, 8)
    dots[0, ::2, ::2] = 1  # 16 dots of one pixel
    dots[0, 6:, 6:] = 1  # the last one grows
    numbers = parts(dots)
    assert numbers[0, 7, 7] == 1
    assert numbers.max() == MAX_PARTS
    assert (numbers == MAX_PARTS).sum() == 16 - MAX_PARTS + 1
    assert torch.equal(numbers > 0, dots > 0)


def test_touching_corners_join_parts():
    assert parts(labels_of("#. .#")).tolist() == [[[1, 0], [0, 1]]]
