"""People side by side, or one above the other: who is found alone is found; ordinary images stay as they were."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.onnx_segmenter import Prob
from trainer.inference.predictors import Predictor, open_predictor
from trainer.predict.localize.localizers import LOCALIZERS, MaskLocalizer
from trainer.predict.localize.roi import predict_in_rois
from trainer.predict.localize.tiles import MAX_ASPECT, MAX_TILES, blended, joined, tile_boxes
from trainer.predict.person_predictor import PersonPredictor
from trainer.predict.postprocess import Postprocess
from trainer.weights.checkpoint_files import STARTER, checkpoint_path

PERSON_PX = (212, 320)  # width, height
FOUND_ALONE = 0.9  # IoU


class Watching:
    """A network that sees a red person only in what is not long, as those that squeeze do."""

    digest = ""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, int]] = []

    def person_prob(self, rgb: Pixels) -> Prob:
        height, width = rgb.shape[:2]
        self.shapes.append((height, width))
        squeezed = max(height, width) > 3 * min(height, width)
        return np.zeros((height, width), np.float32) if squeezed else (rgb[..., 0] > 128).astype(np.float32)


def people(count: int, *, wide: bool) -> tuple[Pixels, np.ndarray]:
    """Red boxes in a row, or one above the other, and their mask."""
    cell = np.zeros((100, 66, 3), np.uint8)
    cell[10:95, 20:46] = 200, 20, 20
    rgb = np.concatenate([cell] * count, axis=1 if wide else 0)
    return rgb, rgb[..., 0] > 128


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("count", [6, 12, 18, 40])
def test_everyone_in_a_long_row_is_found(count: int, wide: bool) -> None:
    rgb, truth = people(count, wide=wide)
    found = PersonPredictor(Watching(), MaskLocalizer(), Postprocess(refine="guided")).person_prob(rgb)
    for own, wanted in zip(
        *(np.array_split(mask, count, 1 if wide else 0) for mask in (found >= 0.5, truth)), strict=True
    ):
        assert (own & wanted).sum() > 0.9 * (own | wanted).sum()


@pytest.mark.parametrize(
    "size", [(480, 640), (640, 480), (1080, 1920), (1920, 1080), (2160, 4096), (1000, 1900), (8, 8)]
)
def test_ordinary_images_are_looked_at_as_a_whole(size: tuple[int, int]) -> None:
    image = Box(0, 0, size[1], size[0])
    assert tile_boxes(image) == [image]
    rgb = np.random.default_rng(0).integers(0, 256, (size[0] // 8 or 1, size[1] // 8 or 1, 3), np.uint8)
    network, localizer, touch_up = Watching(), MaskLocalizer(), Postprocess(refine="guided")
    whole = network.person_prob(rgb)
    wanted = touch_up(np.clip(predict_in_rois(network, rgb, localizer(rgb, whole), whole), 0, 1), rgb)
    np.testing.assert_array_equal(PersonPredictor(network, localizer, touch_up).person_prob(rgb), wanted)


def test_without_a_localizer_the_network_sees_the_whole_image() -> None:
    network = Watching()
    PersonPredictor(network).person_prob(np.zeros((20, 400, 3), np.uint8))
    assert network.shapes == [(20, 400)]


@pytest.mark.parametrize("name", LOCALIZERS)
def test_a_predictors_digest_is_the_same_in_every_process(name: str) -> None:
    digest = PersonPredictor(Watching(), LOCALIZERS[name]()).digest
    assert " at 0x" not in digest
    assert digest == PersonPredictor(Watching(), LOCALIZERS[name]()).digest


@pytest.mark.parametrize("height", [1, 7, 100])
@pytest.mark.parametrize("aspect", [1.91, 2.4, 12.34, 300])
@pytest.mark.parametrize("wide", [True, False])
def test_tiles_cover_every_pixel_and_are_no_longer_than_a_network_can_see(
    height: int, aspect: float, wide: bool
) -> None:
    length = max(2, round(height * aspect))
    image = Box(0, 0, length, height) if wide else Box(0, 0, height, length)
    boxes = tile_boxes(image)
    assert len(boxes) <= max(MAX_TILES, 2 * aspect)
    assert all(max(box.w, box.h) <= MAX_ASPECT * min(box.w, box.h) or min(image.w, image.h) < 3 for box in boxes)
    found = blended(image, boxes, lambda box: np.full((box.h, box.w), 0.25, np.float32))
    assert found.shape == (image.h, image.w)
    np.testing.assert_allclose(found, 0.25, rtol=1e-5)


def test_tiles_run_into_each_other_without_a_seam() -> None:
    image = Box(0, 0, 1000, 100)
    boxes = tile_boxes(image)
    levels = dict(zip(boxes, np.random.default_rng(0).random(len(boxes)), strict=True))
    found = blended(image, boxes, lambda box: np.full((box.h, box.w), levels[box], np.float32))
    assert np.abs(np.diff(found, axis=1)).max() < 0.06


def test_what_the_whole_image_made_up_does_not_count() -> None:
    tiled, whole = np.zeros((100, 400), np.float32), np.zeros((100, 400), np.float32)
    tiled[20:80, 30:60] = 1
    whole[20:80, 20:60] = whole[40:60, 200:230] = 1
    both = joined(tiled, whole)
    assert both[50, 25] == 1, "tiles confirm this piece"
    assert not both[:, 200:230].any(), "and nothing of this one"
    whole[:, 100:300] = 1
    assert joined(tiled, whole)[50, 150] == 1, "a close-up is larger than any tile"


def test_a_piece_that_is_longer_than_a_person_does_not_count() -> None:
    tiled = np.zeros((100, 1200), np.float32)
    tiled[10:95, 100:140] = tiled[10:95, 500:540] = 1  # more than a tenth of the piece
    whole = np.zeros_like(tiled)
    whole[10:95, 50:700] = 1  # both people and what is between them: 6.5 heights
    np.testing.assert_array_equal(joined(tiled, whole), tiled)


@pytest.fixture(scope="module")
def starter() -> Predictor:
    return open_predictor(checkpoint_path(STARTER), torch.device("cpu"))


@pytest.mark.slow
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("count", [4, 12, 18])
def test_photographed_people_in_a_row_are_found_as_alone(
    count: int, wide: bool, starter: Predictor, shared: Path
) -> None:
    predictor = PersonPredictor(starter, MaskLocalizer(), Postprocess(refine="guided"))
    images, masks = [], []
    for path in sorted((shared / "data/fullbody/images").iterdir()):
        rgb = np.asarray(Image.open(path).convert("RGB").resize(PERSON_PX))
        mask = np.asarray(Image.open(path.parents[1] / f"masks/{path.stem}.png").convert("L").resize(PERSON_PX)) >= 128
        if iou(predictor.person_prob(rgb) >= 0.5, mask) >= FOUND_ALONE:
            images.append(rgb)
            masks.append(mask)
        if len(images) == count:
            break
    axis = 1 if wide else 0
    found = predictor.person_prob(np.concatenate(images, axis=axis)) >= 0.5
    ious = [iou(own, wanted) for own, wanted in zip(np.array_split(found, count, axis), masks, strict=True)]
    assert np.mean(ious) > 0.9
    assert min(ious) > 0.75


def iou(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found & truth).sum() / max(1, (found | truth).sum()))
