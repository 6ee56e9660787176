"""People before other backgrounds: what stays, what changes, and where backgrounds come from."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from manifests.errors import UserError
from manifests.store.training_rows import AcceptedRow
from trainer.data.backgrounds import backgrounds_in, largest_free_square, own_backgrounds
from trainer.data.compositing import Compositor, Negatives
from trainer.data.preprocessing import imagenet
from trainer.data.rank_slice import RankSlice
from trainer.data.samples import Samples

SIDE = 32


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def left_half_person(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randint(0, 256, (n, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator())
    labels = torch.zeros(n, SIDE, SIDE, dtype=torch.uint8)
    labels[:, :, : SIDE // 2] = 255
    return images, labels


def in_halves(change: Callable[..., Any], images: torch.Tensor, labels: torch.Tensor) -> list[Any]:
    """What each of two processes makes of its share of a batch."""
    shares = [RankSlice(index, 2) for index in range(2)]
    rows = [share.rows(len(images)) for share in shares]
    return [change(images[own], labels[own], generator(), share=share) for own, share in zip(rows, shares, strict=True)]


def test_the_person_stays_and_the_background_is_another():
    images, labels = left_half_person(4)
    black = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)
    changed = Compositor(black, 1.0)(images, labels, generator())
    assert torch.equal(changed[..., : SIDE // 2], images[..., : SIDE // 2])
    assert not changed[..., SIDE // 2 :].any()
    assert images[..., SIDE // 2 :].any()  # the samples themselves are left alone


def test_half_a_person_is_blended_half():
    images, labels = torch.full((1, 3, 1, 1), 200, dtype=torch.uint8), torch.full((1, 1, 1), 51, dtype=torch.uint8)
    behind = torch.full((1, 3, 1, 1), 100, dtype=torch.uint8)
    assert Compositor(behind, 1.0)(images, labels, generator()).flatten().tolist() == [120] * 3  # 51 / 255 = 0.2


def test_about_the_wanted_share_is_changed():
    images, labels = left_half_person(400)
    black = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)
    changed = Compositor(black, 0.25)(images, labels, generator())
    assert 70 <= sum(not torch.equal(a, b) for a, b in zip(changed, images, strict=True)) <= 130


def test_shares_of_a_batch_are_the_rows_of_the_whole():
    images, labels = left_half_person(6)
    compositor = Compositor(images.flip(0), 0.5)
    whole = compositor(images, labels, generator())
    assert torch.equal(torch.cat(in_halves(compositor, images, labels)), whole)


def test_the_largest_free_square_is_found():
    person = np.ones((20, 30), np.bool_)
    person[3:12, 5:14] = False
    person[14:19, 20:25] = False
    assert largest_free_square(person) == (3, 5, 9)
    assert largest_free_square(np.ones((4, 4), np.bool_)) == (0, 0, 0)


def samples_of(images: torch.Tensor, labels: torch.Tensor) -> Samples:
    return Samples(images, labels, [], [AcceptedRow("", "", "", "")] * len(images))


def test_own_backgrounds_show_no_person():
    images, labels = left_half_person(3)
    images[labels[:, None].expand_as(images) > 0] = 255  # people are white
    images[labels[:, None].expand_as(images) == 0] = 7
    assert torch.equal(own_backgrounds(samples_of(images, labels)), torch.full((3, 3, SIDE, SIDE), 7).byte())


def test_people_everywhere_leave_no_background():
    images, labels = left_half_person(2)
    with pytest.raises(UserError, match="found none; give --backgrounds"):
        own_backgrounds(samples_of(images, torch.full_like(labels, 255)))


def test_a_folder_gives_its_pictures_and_names_what_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    cv2.imwrite(str(tmp_path / "red.png"), np.full((40, 60, 3), (0, 0, 255), np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    found = backgrounds_in(tmp_path, imagenet(SIDE))
    assert found.shape == (1, 3, SIDE, SIDE)
    assert found[0, :, 0, 0].tolist() == [255, 0, 0]
    assert "notes.txt" in caplog.text


def test_a_folder_without_pictures_is_one_line(tmp_path: Path):
    with pytest.raises(UserError, match="expected images in"):
        backgrounds_in(tmp_path, imagenet(SIDE))
    with pytest.raises(UserError, match="expected a folder"):
        backgrounds_in(tmp_path / "nowhere", imagenet(SIDE))


def test_a_share_of_the_pictures_becomes_a_background_with_nobody_in_it():
    images, labels = left_half_person(400)
    black = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)
    changed, nobody = Negatives(black, 0.25)(images, labels, generator())
    replaced = (changed == 0).flatten(1).all(dim=1)
    assert 70 <= replaced.sum() <= 130
    assert not nobody[replaced].any()
    assert torch.equal(nobody[~replaced], labels[~replaced])
    assert torch.equal(changed[~replaced], images[~replaced])


def test_negatives_of_a_batchs_shares_are_those_of_the_whole():
    images, labels = left_half_person(6)
    negatives = Negatives(images.flip(0), 0.5)
    whole = negatives(images, labels, generator())
    for parts, both in zip(zip(*in_halves(negatives, images, labels), strict=True), whole, strict=True):
        assert torch.equal(torch.cat(parts), both)


def test_whom_teachers_see_is_no_background():
    images, labels = left_half_person(2)
    teachers = torch.zeros_like(labels)
    teachers[:, : SIDE // 2, SIDE // 2 :] = 255  # passers-by, top right
    images[:, :, SIDE // 2 :, SIDE // 2 :] = 9
    images[:, :, : SIDE // 2, SIDE // 2 :] = 200
    found = own_backgrounds(replace(samples_of(images, labels), teacher_labels=teachers, teacher_share=0.5))
    assert torch.equal(found, torch.full((2, 3, SIDE, SIDE), 9).byte())
