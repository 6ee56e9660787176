"""The network that comes with the package, under the word `starter`."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from manifests.pixels.images import decode_image
from manifests.pixels.mask_values import read_mask_values
from manifests.pixels.masks import PERSON_LEVEL, PERSON_PROB
from manifests.pixels.metrics import MetricsAccumulator
from trainer.device import pick_device
from trainer.inference.predictors import open_predictor
from trainer.predict import __main__ as predict
from trainer.weights.checkpoint import load_checkpoint
from trainer.weights.checkpoint_files import STARTER, STARTER_PATH, checkpoint_path

MAX_BYTES = 500_000


def test_it_is_small_and_its_card_names_its_weights():
    checkpoint = load_checkpoint(checkpoint_path(STARTER))
    assert checkpoint.info.model == "sinet"
    assert STARTER_PATH.stat().st_size <= MAX_BYTES
    assert checkpoint.weights_sha256 in (STARTER_PATH.parent / "README.md").read_text()


def test_it_cuts_people_out_of_portraits_it_never_saw(portraits: Path):
    predictor, found = open_predictor(STARTER_PATH, pick_device("cpu")), MetricsAccumulator()
    for path in sorted(portraits.glob("images/valid_*.jpg"))[:24]:
        truth = read_mask_values(portraits / f"masks/{path.stem}.png") >= PERSON_LEVEL
        found.add(predictor.person_prob(decode_image(path.read_bytes())) >= PERSON_PROB, truth)
    assert found.result().miou > 0.9


def test_predict_takes_the_word_anywhere(tmp_path: Path, portraits: Path, monkeypatch: pytest.MonkeyPatch):
    picture = next(portraits.glob("images/valid_*.jpg"))
    monkeypatch.chdir(tmp_path)
    predict.main(["--checkpoint", STARTER, "--input", str(picture), "--output", "masks", "--device", "cpu"])
    mask = cv2.imread(str(tmp_path / f"masks/{picture.stem}.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == decode_image(picture.read_bytes()).shape[:2]
    assert 0.05 < np.mean(mask >= PERSON_LEVEL) < 0.95


def test_a_path_is_a_path():
    assert checkpoint_path("runs/starter") == Path("runs/starter")
