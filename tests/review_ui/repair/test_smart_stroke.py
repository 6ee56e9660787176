"""Smart strokes on images whose regions are known, and on real portraits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manifests.errors import UserError
from manifests.pixels.metrics import mask_iou
from review_ui.repair.smart_stroke import apply_smart_stroke
from review_ui.repair.stroke import Stroke

Scene = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def scene() -> Scene:
    """A red person, 100 px wide with an arm, on noisy green; RGB and the person."""
    rng = np.random.default_rng(0)
    person = np.zeros((300, 240), bool)
    person[80:, 70:170] = True
    person[150:190, 170:225] = True  # the arm
    rgb = np.where(person[..., None], (190, 60, 50), (50, 140, 60)) + rng.normal(0, 12, (300, 240, 3))
    return np.clip(rgb, 0, 255).astype(np.uint8), person


def test_a_stroke_on_a_missing_arm_adds_the_arm(scene):
    rgb, person = scene
    cut = person.copy()
    cut[150:190, 170:225] = False
    mended = apply_smart_stroke(rgb, cut.astype(np.uint8) * 255, Stroke([(175, 170), (215, 170)], 8), is_person=True)
    assert mask_iou(mended >= 128, person) > 0.99
    assert mask_iou(cut, person) < 0.93


def test_a_stroke_on_a_lump_of_background_takes_it_away(scene):
    rgb, person = scene
    lump = person.copy()
    lump[95:140, 170:205] = True
    mended = apply_smart_stroke(rgb, lump.astype(np.uint8) * 255, Stroke([(185, 105), (188, 128)], 9), is_person=False)
    assert mask_iou(mended >= 128, person) > 0.99


def test_a_stroke_on_the_person_takes_nothing_away_and_far_pixels_stay(scene):
    rgb, person = scene
    mask = np.where(person, 230, 20).astype(np.uint8)
    mended = apply_smart_stroke(rgb, mask, Stroke([(120, 60)], 5), is_person=True)
    assert ((mended >= 128) >= person).all()
    far = np.ones(mask.shape, bool)
    far[25:100, 80:160] = False
    assert (mended[far] == mask[far]).all()


def test_the_stroke_itself_always_counts(scene):
    rgb, person = scene
    mended = apply_smart_stroke(rgb, person.astype(np.uint8) * 255, Stroke([(20, 20), (40, 20)], 4), is_person=True)
    assert (mended[18:23, 20:41] == 255).all()


@pytest.mark.parametrize("level", [0, 255])
def test_a_mask_of_one_side_alone_takes_a_stroke(scene, level):
    rgb, _ = scene
    mask = np.full(rgb.shape[:2], level, np.uint8)
    mended = apply_smart_stroke(rgb, mask, Stroke([(120, 200)], 6), is_person=level == 0)
    assert (mended[198:203, 118:123] >= 128).all() == (level == 0)


def test_a_stroke_beside_the_picture_changes_nothing(scene):
    rgb, person = scene
    mask = person.astype(np.uint8) * 255
    assert (apply_smart_stroke(rgb, mask, Stroke([(-500, -500)], 5), is_person=True) == mask).all()


def test_the_same_stroke_gives_the_same_region(scene):
    rgb, person = scene
    mask, stroke = person.astype(np.uint8) * 255, Stroke([(185, 105), (188, 128)], 9)
    first = apply_smart_stroke(rgb, mask, stroke, is_person=True)
    assert (apply_smart_stroke(rgb, mask, stroke, is_person=True) == first).all()


@pytest.mark.parametrize("arguments", [([], 5.0), ([(1, 1)], 0.0), ([(1, 1)], -1.0), ([(1, 1)] * 10_001, 5.0)])
def test_a_stroke_that_is_none_is_refused(arguments):
    with pytest.raises(UserError, match="expected a"):
        Stroke(*arguments)


def test_large_pictures_are_cut_on_a_reduced_copy(scene):
    rgb, person = scene
    large = np.asarray(Image.fromarray(rgb).resize((2400, 3000), Image.Resampling.BICUBIC))
    truth = np.asarray(Image.fromarray(person).resize((2400, 3000)))
    cut = truth.copy()
    cut[1500:1900, 1700:2250] = False
    mended = apply_smart_stroke(
        large, cut.astype(np.uint8) * 255, Stroke([(1750, 1700), (2150, 1700)], 80), is_person=True
    )
    assert mask_iou(mended >= 128, truth) > 0.99


def test_strokes_on_real_portraits_mend_planted_faults(shared: Path):
    """A piece cut off at the shoulder comes back by one stroke through it; most of what was lost is there again."""
    gains = []
    for name in sorted(path.stem for path in (shared / "data/portraits/images").glob("valid_*"))[:12]:
        rgb = np.asarray(Image.open(shared / f"data/portraits/images/{name}.jpg").convert("RGB"))
        truth = np.asarray(Image.open(shared / f"data/portraits/masks/{name}.png").convert("L")) >= 128
        rows, columns = np.nonzero(truth)
        left, middle = int(columns.min()), int(np.median(rows))
        cut = truth.copy()
        cut[middle:, : left + 25] = False
        lost = truth & ~cut
        if lost.sum() < 300:
            continue
        ys, xs = np.nonzero(lost)
        centre = float(np.median(xs))
        stroke = Stroke([(centre, float(y)) for y in np.linspace(ys.min() + 4, ys.max() - 4, 6)], 4)
        mended = apply_smart_stroke(rgb, cut.astype(np.uint8) * 255, stroke, is_person=True) >= 128
        gains.append(mask_iou(mended, truth) - mask_iou(cut, truth))
    assert len(gains) >= 5
    assert np.median(gains) > 0.01
