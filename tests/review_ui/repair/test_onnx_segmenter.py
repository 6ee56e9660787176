"""Point-prompt segmenters in ONNX: small pairs in the two published layouts, and pairs that are refused."""

import threading
from pathlib import Path

import numpy as np
import pytest
from point_segmenters import (
    EMBEDDING,
    constant_nodes,
    mean_nodes,
    save,
    write_efficient_sam_pair,
    write_sam_pair,
)

from manifests.errors import UserError
from manifests.pixels.metrics import mask_iou
from review_ui.repair.embedding_cache import EmbeddingCache
from review_ui.repair.onnx_segmenter import OnnxSegmenter
from review_ui.repair.prompt_layouts import MEAN, STD, best_of_sam

HEIGHT, WIDTH, GREY = 320, 240, 100
SCALE = 1024 / HEIGHT  # of SAM's frame
X, Y = 130.0, 200.0


@pytest.fixture
def rgb() -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)


def disc(radius: float, x: float = X, y: float = Y) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def object_at(segmenter: OnnxSegmenter, rgb: np.ndarray, *points: tuple[float, float, int]) -> np.ndarray:
    """The object at points (x, y, label), bool (H, W)."""
    values = np.array(points or [(X, Y, 1)], np.float32)
    prob = segmenter.object_prob(rgb, values[:, :2], values[:, 2], image_sha256="a" * 64)
    assert (prob.shape, prob.dtype) == (rgb.shape[:2], np.float32)
    assert 0 <= prob.min() <= prob.max() <= 1
    return prob >= 0.5


def test_a_sam_pair_that_normalises_gives_the_object_at_a_point(tmp_path: Path, rgb: np.ndarray):
    segmenter = OnnxSegmenter.open(write_sam_pair(tmp_path, factors=[2.0]))
    assert mask_iou(object_at(segmenter, rgb), disc(2.0 * GREY / SCALE)) > 0.97


def test_a_sam_encoder_that_does_not_normalise_gets_a_normalised_padded_image(tmp_path: Path, rgb: np.ndarray):
    pair = write_sam_pair(tmp_path, factors=[-200.0], image=(1, 3, 1024, 1024))
    mean = float(((GREY - MEAN) / STD).mean()) * WIDTH / HEIGHT  # a quarter of the frame is padding, 0
    assert mask_iou(object_at(OnnxSegmenter.open(pair), rgb), disc(-200.0 * mean / SCALE)) > 0.97


def test_an_efficient_sam_pair_gives_the_object_at_a_point(tmp_path: Path, rgb: np.ndarray):
    segmenter = OnnxSegmenter.open(write_efficient_sam_pair(tmp_path, factors=[100.0]))
    assert mask_iou(object_at(segmenter, rgb), disc(100.0 * GREY / 255)) > 0.97


def test_a_point_beside_the_object_reaches_the_decoder_as_such(tmp_path: Path, rgb: np.ndarray):
    for write in (write_sam_pair, write_efficient_sam_pair):
        segmenter = OnnxSegmenter.open(write(tmp_path / write.__name__))
        there = object_at(segmenter, rgb, (X, Y, 1), (5, 5, 0))
        assert not (there & object_at(segmenter, rgb, (X, Y, 0), (5, 5, 1))).any()


def test_files_are_found_by_their_published_names(tmp_path: Path):
    pair = write_efficient_sam_pair(tmp_path)
    for part in ("encoder", "decoder"):
        (pair / f"efficientsam_ti_{part}.onnx").rename(pair / f"{part}.onnx")
    OnnxSegmenter.open(pair)


@pytest.mark.parametrize(
    ("ious", "points", "best"),
    [
        ([0.99, 0.7, 0.9, 0.8], 1, 2),  # the first of four is for several points
        ([0.1, 0.7, 0.9, 0.8], 2, 0),
        ([0.7, 0.9, 0.8], 1, 1),
        ([0.7, 0.9, 0.8], 3, 1),
        ([0.5], 1, 0),
    ],
)
def test_the_mask_of_sam_is_chosen_as_its_authors_do(ious: list[float], points: int, best: int):
    assert best_of_sam(np.array(ious), points) == best


def test_the_mask_with_the_highest_predicted_iou_is_taken(tmp_path: Path, rgb: np.ndarray):
    pair = write_efficient_sam_pair(tmp_path, factors=[40.0, 100.0, 160.0], ious=[0.5, 0.9, 0.7])
    assert mask_iou(object_at(OnnxSegmenter.open(pair), rgb), disc(100.0 * GREY / 255)) > 0.97


def test_a_decoder_for_a_fixed_number_of_points_gets_padding_and_refuses_more(tmp_path: Path, rgb: np.ndarray):
    for write, points in ((write_sam_pair, 3), (write_efficient_sam_pair, 2)):
        segmenter = OnnxSegmenter.open(write(tmp_path / write.__name__, points=points))
        one = object_at(segmenter, rgb)
        assert (one == object_at(segmenter, rgb, (X, Y, 1), (X, Y, 1))).all()
        with pytest.raises(UserError, match="expected 1 to 2 points at a time, found 3"):
            object_at(segmenter, rgb, *[(X, Y, 1)] * 3)


def test_an_image_is_encoded_once(tmp_path: Path, rgb: np.ndarray):
    segmenter = OnnxSegmenter.open(write_efficient_sam_pair(tmp_path))
    first = object_at(segmenter, rgb)
    assert (object_at(segmenter, rgb * 2) == first).all()  # under the same digest: the kept embedding


def test_of_two_requests_for_one_image_the_second_waits_for_the_first():
    cache, computed, release = EmbeddingCache(), [], threading.Event()

    def slow() -> np.ndarray:
        computed.append(1)
        release.wait(5)
        return np.zeros(1)

    threads = [threading.Thread(target=cache.get, args=("a", slow)) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert cache.get("b", lambda: np.ones(1)) == 1  # another image doesn't wait
    release.set()
    for thread in threads:
        thread.join()
    assert len(computed) == 1


def test_the_least_recently_used_embedding_goes_first():
    cache, computed = EmbeddingCache(kept=2), []
    for name in ("a", "b", "a", "c", "a", "b"):
        cache.get(name, lambda name=name: computed.append(name) or np.zeros(1))
    assert computed == ["a", "b", "c", "b"]


def test_an_embedding_that_failed_is_tried_again():
    cache = EmbeddingCache()

    def fail() -> np.ndarray:
        raise UserError("expected an embedding, found none")

    with pytest.raises(UserError):
        cache.get("a", fail)
    assert cache.get("a", lambda: np.ones(1)) == 1


def no_decoder(folder: Path) -> None:
    (write_sam_pair(folder) / "mobile_sam.decoder.onnx").unlink()


def two_encoders(folder: Path) -> None:
    write_sam_pair(folder)
    write_efficient_sam_pair(folder)
    (folder / "efficientsam_ti_decoder.onnx").unlink()


def damaged_encoder(folder: Path) -> None:
    (write_sam_pair(folder) / "mobile_sam.encoder.onnx").write_bytes(b"no graph")


def other_decoder(folder: Path) -> None:
    write_sam_pair(folder)
    save(
        folder / "mobile_sam.decoder.onnx",
        mean_nodes("image_embed"),
        {"image_embed": EMBEDDING},
        {"image_embeddings": EMBEDDING},
    )


def mixed_pair(folder: Path) -> None:
    write_sam_pair(folder)
    (folder / "mobile_sam.encoder.onnx").unlink()
    (write_efficient_sam_pair(folder / "other") / "efficientsam_ti_encoder.onnx").rename(folder / "encoder.onnx")


def small_embedding(folder: Path) -> None:
    write_sam_pair(folder)
    shape = (1, 256, 32, 32)
    image = {"input_image": ("height", "width", 3)}
    save(folder / "mobile_sam.encoder.onnx", mean_nodes("input_image", shape), image, {"image_embeddings": shape})


def nan_embedding(folder: Path) -> None:
    write_sam_pair(folder)
    image = {"input_image": ("height", "width", 3)}
    nodes = constant_nodes("image_embeddings", np.full(EMBEDDING, np.nan, np.float32))
    save(folder / "mobile_sam.encoder.onnx", nodes, image, {"image_embeddings": EMBEDDING})


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (lambda folder: None, "expected a directory with encoder.onnx and decoder.onnx at"),
        (Path.mkdir, r"expected one encoder.onnx, or \*_encoder.onnx, in .*, found none"),
        (no_decoder, r"expected one decoder.onnx, or \*_decoder.onnx, in .*, found none"),
        (two_encoders, "found efficientsam_ti_encoder.onnx, mobile_sam.encoder.onnx; keep one"),
        (damaged_encoder, "expected an ONNX file at .*, found another or a damaged one"),
        (other_decoder, r"expected a decoder with the inputs \(image_embeddings, .*, found \(image_embed\)"),
        (mixed_pair, r"expected an encoder with the input input_image or x, .*, found \(batched_images\)"),
        (small_embedding, r"expected image_embeddings of the shape \(1, 256, 64, 64\), found \(1, 256, 32, 32\)"),
        (nan_embedding, "expected finite values in image_embeddings, found NaN or infinity"),
        (lambda folder: write_sam_pair(folder, image=(1, 3, 512, 512)), r"found \(1, 3, 512, 512\)"),
        (lambda folder: write_sam_pair(folder, image=(3, "height", "width")), r"found \(3, 'height', 'width'\)"),
        (lambda folder: write_sam_pair(folder, low_res_px=128), r"\(1, masks, 256, 256\), found \(1, 1, 128, 128\)"),
        (lambda folder: write_sam_pair(folder, points=1), "one of them padding"),
        (lambda folder: write_sam_pair(folder, factors=[np.nan]), "finite values in low_res_masks"),
        (lambda folder: write_efficient_sam_pair(folder, factors=[np.inf]), "finite values in output_masks"),
        (lambda folder: write_efficient_sam_pair(folder, ious=[np.nan]), "finite values in iou_predictions"),
        (
            lambda folder: write_efficient_sam_pair(folder, mask_height=50),
            r"masks, 96, 64\), found \(1, 1, 1, 50, 64\)",
        ),
        (lambda folder: write_efficient_sam_pair(folder, integers=True), "batched_images as float, found uint8"),
    ],
)
def test_any_other_pair_is_refused_in_one_line(tmp_path: Path, write, complaint: str):
    write(tmp_path / "pair")
    with pytest.raises(UserError, match=complaint) as refusal:
        OnnxSegmenter.open(tmp_path / "pair")
    assert "\n" not in str(refusal.value)
    assert str(tmp_path / "pair") in str(refusal.value)
