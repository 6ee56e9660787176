"""What a network finds where nobody is."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from portrait_datasets import import_portraits

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_LEVEL, decode_mask
from manifests.pixels.onnx_segmenter import Prob
from manifests.store.training_rows import accepted_rows
from trainer.evaluate import __main__ as evaluate
from trainer.evaluate.negatives import (
    false_person_shares,
    mean_interval,
    pictures_without_people,
    pieces_without_people,
)
from trainer.fit import __main__ as fit


class TopIsPerson:
    """Calls the upper quarter of everything person."""

    digest = "top"

    def person_prob(self, rgb: Pixels) -> Prob:
        prob = np.zeros(rgb.shape[:2], np.float32)
        prob[: rgb.shape[0] // 4] = 0.5
        return prob


def test_the_share_is_that_of_the_pixels_called_person():
    shares = false_person_shares(TopIsPerson(), [np.zeros((40, 30, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)])
    assert shares.tolist() == [0.25, 0.25]


def test_the_interval_holds_the_mean_and_shrinks_with_more_pictures():
    few, many = (np.tile([0.0, 0.4], n) for n in (5, 500))
    for shares in (few, many):
        low, high = mean_interval(shares)
        assert low < 0.2 < high
    assert np.ptp(mean_interval(many)) < np.ptp(mean_interval(few)) / 5


def test_pieces_of_real_portraits_show_nobody(tmp_path: Path, portraits: Path):
    manifest = import_portraits(tmp_path, portraits, 12)
    blobs = BlobStore(manifest.data_root)
    for row in accepted_rows(manifest, "train"):
        person = decode_mask(blobs.read(row.mask, row.mask_sha256)) >= PERSON_LEVEL
        try:
            (piece,) = pieces_without_people([row], blobs)
        except UserError:
            continue  # a face that fills its picture
        side = len(piece)
        assert piece.shape == (side, side, 3)
        assert side >= 0.25 * min(person.shape)
        free = cv2.erode((~person).astype(np.uint8), np.ones((side, side)), anchor=(0, 0), borderValue=0)
        assert free.any()  # somewhere such a square is free


def test_a_folder_leaves_out_what_is_no_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    cv2.imwrite(str(tmp_path / "red.png"), np.full((40, 60, 3), (0, 0, 255), np.uint8))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (found,) = pictures_without_people(tmp_path)
    assert found.shape == (40, 60, 3)
    assert "skipped" in caplog.text


def test_evaluate_prints_the_share_of_each_network(tmp_path: Path, portraits: Path, capsys: pytest.CaptureFixture[str]):
    manifest = import_portraits(tmp_path, portraits, 24)
    run = tmp_path / "run"
    quick = ["--manifest", str(manifest.path), "--size", "32", "--device", "cpu", "--no-compile", "--epochs", "1"]
    fit.main([*quick, "--negatives", "0.3", "--output", str(run)])
    assert "images without people" in capsys.readouterr().out
    measuring = ["--checkpoint", str(run), "--manifest", str(manifest.path), "--split", "all", "--json"]
    evaluate.main([*measuring, "--person-free"])
    printed = capsys.readouterr().out
    assert "false_person_share" in printed
    assert 0 <= json.loads(printed.splitlines()[-1])["false_person_share"] <= 1
