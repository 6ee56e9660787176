"""The teacher that comes with the package, under the word `starter`: what a fresh install labels with."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from safetensors.torch import load_file

from manifests.errors import UserError
from manifests.files.blobs import sha256_hex
from manifests.pixels.images import decode_image
from manifests.pixels.mask_values import read_mask_values
from manifests.pixels.masks import PERSON_LEVEL, PERSON_PROB
from manifests.pixels.metrics import MetricsAccumulator
from pipeline.teachers import DEFAULT_TEACHER, STARTER_PATH, Portrait, TeacherOptions, load_teacher

WEIGHTS = STARTER_PATH / "model.safetensors"
MAX_BYTES = 12_000_000
CPU = TeacherOptions(device="cpu", precision="fp32")


def test_it_is_the_default_and_its_card_names_its_weights():
    assert DEFAULT_TEACHER == "starter"
    assert sha256_hex(WEIGHTS.read_bytes()) in (STARTER_PATH / "README.md").read_text()


def test_it_is_small_because_it_is_kept_in_half_precision():
    assert WEIGHTS.stat().st_size <= MAX_BYTES
    kinds = {tensor.dtype for tensor in load_file(WEIGHTS).values()}
    assert kinds == {torch.float16, torch.int64}  # the latter count the batches that batch norms have seen


def test_its_own_library_reads_it_too():
    assert smp.from_pretrained(STARTER_PATH).segmentation_head[0].out_channels == 2


def test_it_looks_four_times_unless_told_otherwise():
    assert re.findall(r"(\d+) px, class 1, fp32 on cpu( mirrored)?", load_teacher("starter", CPU).settings) == [
        ("320", ""),
        ("384", ""),
        ("320", " mirrored"),
        ("384", " mirrored"),
    ]
    assert load_teacher("starter", replace(CPU, flip=True)).settings == load_teacher("starter", CPU).settings
    assert load_teacher("starter", replace(CPU, input_px=(320,))).settings == "320 px, class 1, fp32 on cpu"


def test_networks_of_trainer_fit_see_pictures_of_the_size_they_were_fitted_on():
    assert load_teacher(str(STARTER_PATH), CPU).settings == "320 px, class 1, fp32 on cpu"


def test_it_cuts_people_out_of_portraits_it_never_saw(portraits: Path):
    teacher, found = load_teacher("starter"), MetricsAccumulator()
    for path in sorted(portraits.glob("images/valid_*.jpg"))[:24:3]:
        truth = read_mask_values(portraits / f"masks/{path.stem}.png") >= PERSON_LEVEL
        [prediction] = teacher.predict([Portrait(decode_image(path.read_bytes()), [])])
        found.add(prediction.prob >= PERSON_PROB, truth)
    assert found.result().miou > 0.92


def test_it_finds_the_astronaut_and_not_the_flag_behind_her(astronaut: Image.Image):
    [prediction] = load_teacher("starter").predict([Portrait(np.asarray(astronaut), [])])
    assert prediction.prob.dtype == np.float32
    assert 0.3 < (prediction.prob >= PERSON_PROB).mean() < 0.7


@pytest.mark.parametrize("value", [7, "320", 5000])
def test_an_input_size_in_a_config_that_no_teacher_has_is_named(tmp_path: Path, value: object):
    config = json.loads((STARTER_PATH / "config.json").read_text()) | {"_input_px": value}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS.read_bytes())
    with pytest.raises(UserError, match="expected _input_px from 32 to 4096"):
        load_teacher(str(tmp_path))
