"""The contract of every teacher, and what each refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from safetensors.torch import save_file

from manifests.errors import UserError
from manifests.masks import mask_from_prob
from pipeline.faces import Face
from pipeline.mtcnn import default_detector
from pipeline.teachers import TEACHERS, Teacher, load_teacher
from pipeline.teachers.deeplabv3plus import DeepLabV3Plus

FACE = Face(185, 70, 80, 100, 1.0)  # the astronaut's


@pytest.fixture(scope="module")
def saved_deeplab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small DeepLabv3+ with random weights, in the format of `save_pretrained`."""
    directory = tmp_path_factory.mktemp("deeplab")
    torch.manual_seed(0)
    smp.DeepLabV3Plus("mobilenet_v2", encoder_weights=None, classes=2).save_pretrained(directory)
    return directory


@pytest.fixture(params=["grabcut", "deeplabv3plus"])
def teacher(request: pytest.FixtureRequest, saved_deeplab: Path) -> Teacher:
    return load_teacher(str(saved_deeplab) if request.param == "deeplabv3plus" else request.param)


@pytest.mark.parametrize("size", [(512, 512), (333, 217), (96, 640), (32, 32)])
def test_a_probability_for_every_pixel(teacher: Teacher, astronaut: Image.Image, size: tuple[int, int]) -> None:
    height, width = size
    rgb = np.asarray(astronaut.resize((width, height)))
    face = Face(FACE.x * width / 512, FACE.y * height / 512, FACE.w * width / 512, FACE.h * height / 512, 1.0)
    prob = teacher.predict(rgb, [face])
    assert prob.shape == (height, width)
    assert prob.dtype == np.float32
    assert prob.min() >= 0.0
    assert prob.max() <= 1.0


def test_the_same_picture_gets_the_same_mask(teacher: Teacher, astronaut: Image.Image) -> None:
    rgb = np.asarray(astronaut)
    first, second = (mask_from_prob(teacher.predict(rgb, [FACE])) for _ in range(2))
    assert np.array_equal(first, second)


def test_the_name_says_what_decides_the_masks(teacher: Teacher) -> None:
    kind, _, digest = teacher.name.partition("@")
    assert kind in TEACHERS
    assert len(digest) == 12


def test_grabcut_finds_the_astronaut(astronaut: Image.Image) -> None:
    rgb = np.asarray(astronaut)
    person = load_teacher("grabcut").predict(rgb, default_detector().detect(rgb)) >= 0.5
    assert person[120, 225]  # face
    assert person[400, 200]  # chest
    assert not person[30, 20:80].any()  # the flag beside her head
    assert not person[50:300, 400:].any()  # the shuttle


def test_grabcut_takes_a_close_up_without_background() -> None:
    rgb = np.full((100, 80, 3), 140, np.uint8)
    assert load_teacher("grabcut").predict(rgb, [Face(-60, -60, 200, 220, 1.0)]).mean() == 1.0


def test_grabcut_without_a_face_sees_nobody(astronaut: Image.Image) -> None:
    assert load_teacher("grabcut").predict(np.asarray(astronaut), []).max() == 0.0


def test_deeplab_weights_survive_saving(saved_deeplab: Path, astronaut: Image.Image) -> None:
    torch.manual_seed(0)
    network = smp.DeepLabV3Plus("mobilenet_v2", encoder_weights=None, classes=2)
    expected = DeepLabV3Plus(network, name="x").predict(np.asarray(astronaut), [])
    assert np.allclose(DeepLabV3Plus.load(saved_deeplab).predict(np.asarray(astronaut), []), expected)


@pytest.mark.slow
def test_bare_safetensors_are_the_papers_network(tmp_path: Path, astronaut: Image.Image) -> None:
    network = smp.DeepLabV3Plus("se_resnext50_32x4d", encoder_weights=None, classes=1)
    save_file(network.state_dict(), tmp_path / "teacher.safetensors")
    teacher = load_teacher(str(tmp_path / "teacher.safetensors"))
    assert teacher.predict(np.asarray(astronaut), []).shape == (512, 512)


def test_unknown_teacher_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="grabcut, deeplabv3plus"):
        load_teacher("grabcup")


def test_deeplab_without_weights_says_how_to_go_on() -> None:
    with pytest.raises(UserError, match=r"--teacher PATH, or take --teacher grabcut"):
        load_teacher("deeplabv3plus")


def test_an_empty_directory_is_no_teacher(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found no file"):
        load_teacher(str(tmp_path))


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    save_file({"some.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"found \d+ that differ: .*is missing"):
        load_teacher(str(tmp_path / "other.safetensors"))


def test_a_text_file_is_no_weights(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_text("hello")
    with pytest.raises(UserError, match="expected a safetensors file"):
        load_teacher(str(tmp_path / "x.safetensors"))


def test_three_classes_are_refused(tmp_path: Path) -> None:
    smp.DeepLabV3Plus("mobilenet_v2", encoder_weights=None, classes=3).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="1 or 2 classes"):
        load_teacher(str(tmp_path))


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    smp.Unet("mobilenet_v2", encoder_weights=None, decoder_channels=(64, 32, 16, 16, 16)).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"expected a DeepLabV3Plus.*found Unet"):
        load_teacher(str(tmp_path))


def test_an_activation_in_the_config_is_not_applied_twice(saved_deeplab: Path, astronaut: Image.Image) -> None:
    config = saved_deeplab / "config.json"
    before = config.read_text()
    expected = DeepLabV3Plus.load(saved_deeplab).predict(np.asarray(astronaut), [])
    try:
        config.write_text(json.dumps(json.loads(before) | {"activation": "sigmoid"}))
        assert np.allclose(DeepLabV3Plus.load(saved_deeplab).predict(np.asarray(astronaut), []), expected)
    finally:
        config.write_text(before)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([1], "expected a JSON object"),
        ({"encoder_name": "resnet5000"}, "expected the settings of a DeepLabV3Plus"),
        ({"in_channels": 4}, r"3 channels \(RGB\)"),
    ],
)
def test_a_config_of_something_else_is_named(tmp_path: Path, config: object, message: str) -> None:
    save_file({"some.weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=message):
        load_teacher(str(tmp_path))
