"""The two rooms meet in a model file: a teacher fitted by `trainer.fit` labels pictures in the pipeline."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from portrait_datasets import import_portraits

from pipeline.teachers import Portrait, TeacherOptions, load_teacher
from trainer.fit import __main__ as fit
from trainer.inference.predictors import person_prob
from trainer.weights.checkpoint import load_checkpoint


@pytest.mark.slow
def test_a_fitted_deeplab_is_a_teacher(tmp_path: Path, portraits: Path, astronaut: Image.Image) -> None:
    manifest = import_portraits(tmp_path, portraits, 24)
    options = ["--epochs", "1", "--batch-size", "8", "--size", "64", "--device", "cpu"]
    model = ["--model", "smp:DeepLabV3Plus:mobilenet_v2"]
    fit.main(["--manifest", str(manifest.path), "--output", str(tmp_path / "run"), *model, *options])
    assert load_teacher(str(tmp_path / "run/pretrained")).settings.startswith("64 px")
    teacher = load_teacher(str(tmp_path / "run/pretrained"), TeacherOptions(input_px=(512,)))
    assert teacher.name.startswith("deeplabv3plus@")

    rgb = np.asarray(astronaut)  # 512 px: the size at which the teacher looks
    checkpoint = load_checkpoint(tmp_path / "run")
    images = torch.tensor(rgb).permute(2, 0, 1)[None]  # (1, 3, 512, 512)
    expected = person_prob(checkpoint.model, images, checkpoint.info.preprocessing)[0].numpy()
    assert np.abs(teacher.predict([Portrait(rgb, [])])[0].prob - expected).max() < 1e-3
