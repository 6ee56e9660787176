"""The contract of every teacher, and what each refuses."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from red_network import red_is_person
from safetensors.torch import save_file
from torch import nn
from torchvision.models.segmentation import LRASPP_MobileNet_V3_Large_Weights, lraspp_mobilenet_v3_large

from manifests.errors import UserError
from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.masks import mask_from_prob
from pipeline.faces.face import Face
from pipeline.faces.mtcnn import default_detector
from pipeline.teachers import Portrait, Teacher, TeacherOptions, load_teacher
from pipeline.teachers.ensemble import Mirrored
from pipeline.teachers.network import NetworkTeacher
from pipeline.teachers.refine import REFINEMENTS
from pipeline.teachers.smp_weights import load_smp
from pipeline.teachers.teacher import Prob
from pipeline.teachers.tiles import tile_boxes

FACE = Face(185, 70, 80, 100, 1.0)  # the astronaut's


def predict(teacher: Teacher, rgb: Pixels, faces: Sequence[Face] = ()) -> Prob:
    [prediction] = teacher.predict([Portrait(rgb, list(faces))])
    return prediction.prob


def assert_same_network(network: nn.Module, other: nn.Module) -> None:
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(network.eval()(images), other.eval()(images))


@pytest.fixture(scope="module")
def saved_deeplab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small DeepLabv3+ with random weights, in the format of `save_pretrained`."""
    directory = tmp_path_factory.mktemp("deeplab")
    torch.manual_seed(0)
    smp.DeepLabV3Plus("mobilenet_v2", encoder_weights=None, classes=2).save_pretrained(directory)
    return directory


SPECS: dict[str, tuple[str, TeacherOptions]] = {
    "starter": ("starter", TeacherOptions()),
    "grabcut": ("grabcut", TeacherOptions()),
    "deeplabv3plus": ("{deeplab}", TeacherOptions()),
    "several sizes": ("{deeplab}", TeacherOptions(input_px=(64, 128))),
    "onnx": ("onnx:{red}", TeacherOptions()),
    "ensemble": ("{deeplab}+onnx:{red}+grabcut", TeacherOptions(flip=True)),
    "tiled": ("onnx:{red}", TeacherOptions(tile_px=200)),
    "guided": ("onnx:{red}", TeacherOptions(refine="guided")),
    "cut again": ("onnx:{red}", TeacherOptions(refine="grabcut")),
}


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return red_is_person(tmp_path_factory.mktemp("onnx") / "red.onnx")


@pytest.fixture(params=SPECS)
def teacher(request: pytest.FixtureRequest, saved_deeplab: Path, red: Path) -> Teacher:
    spec, options = SPECS[request.param]
    return load_teacher(spec.format(deeplab=saved_deeplab, red=red), options)


@pytest.mark.parametrize("size", [(256, 256), (333, 217), (96, 640), (32, 32)])
def test_a_probability_for_every_pixel(teacher: Teacher, astronaut: Image.Image, size: tuple[int, int]) -> None:
    height, width = size
    rgb = np.asarray(astronaut.resize((width, height)))
    face = Face(FACE.x * width / 512, FACE.y * height / 512, FACE.w * width / 512, FACE.h * height / 512, 1.0)
    prob = predict(teacher, rgb, [face])
    assert prob.shape == (height, width)
    assert prob.dtype == np.float32
    assert prob.min() >= 0.0
    assert prob.max() <= 1.0


def test_the_same_picture_gets_the_same_mask(teacher: Teacher, astronaut: Image.Image) -> None:
    rgb, face = np.asarray(astronaut.resize((256, 256))), Face(FACE.x / 2, FACE.y / 2, FACE.w / 2, FACE.h / 2, 1.0)
    first, second = (mask_from_prob(predict(teacher, rgb, [face])) for _ in range(2))
    assert np.array_equal(first, second)


def test_the_name_says_what_decides_the_masks(teacher: Teacher) -> None:
    assert re.fullmatch(r"(grabcut|deeplabv3plus|red|ensemble)@[0-9a-f]{12}", teacher.name)


def test_portraits_together_get_the_masks_they_get_alone(teacher: Teacher, astronaut: Image.Image) -> None:
    portraits = [Portrait(np.asarray(astronaut.resize(size)), [FACE]) for size in ((90, 120), (120, 90), (90, 120))]
    together = teacher.predict(portraits)
    for portrait, found in zip(portraits, together, strict=True):
        [alone] = teacher.predict([portrait])
        assert np.allclose(found.prob, alone.prob, atol=1e-4)
        assert found.disagreement == pytest.approx(alone.disagreement, abs=1e-3)


def test_an_ensemble_is_the_mean_and_says_how_far_its_members_differ(saved_deeplab: Path, red: Path) -> None:
    rgb = np.zeros((64, 96, 3), np.uint8)
    rgb[:, :48, 0] = 255
    members = [predict(load_teacher(spec), rgb) for spec in (f"onnx:{red}", str(saved_deeplab))]
    [found] = load_teacher(f"onnx:{red}+{saved_deeplab}").predict([Portrait(rgb, [])])
    assert np.allclose(found.prob, sum(members) / 2, atol=1e-6)
    mean = found.prob >= 0.5
    ious = [((prob >= 0.5) & mean).sum() / ((prob >= 0.5) | mean).sum() for prob in members]
    assert found.disagreement == pytest.approx(1 - np.mean(ious))


def test_one_opinion_disagrees_with_nobody(red: Path, astronaut: Image.Image) -> None:
    [found] = load_teacher(f"onnx:{red}").predict([Portrait(np.asarray(astronaut), [])])
    assert found.disagreement is None


def test_a_mirrored_opinion_is_mirrored_back(red: Path) -> None:
    rgb = np.zeros((64, 96, 3), np.uint8)
    rgb[:, :48, 0] = 255  # what is red is person, mirrored or not
    [found] = load_teacher(f"onnx:{red}", TeacherOptions(flip=True)).predict([Portrait(rgb, [])])
    assert np.allclose(found.prob, predict(load_teacher(f"onnx:{red}"), rgb), atol=0.02)
    assert found.disagreement == pytest.approx(0.0, abs=0.02)


def test_grabcut_sees_the_face_of_a_mirrored_picture_where_it_is(astronaut: Image.Image) -> None:
    plain = predict(load_teacher("grabcut"), np.asarray(astronaut), [FACE])
    mirrored = Mirrored(load_teacher("grabcut")).predict([Portrait(np.asarray(astronaut), [FACE])])[0].prob
    assert np.mean(plain == mirrored) > 0.9


@pytest.mark.parametrize(("height", "width"), [(300, 200), (1000, 1), (200, 200), (513, 777)])
def test_tiles_cover_every_pixel_and_stay_inside(height: int, width: int) -> None:
    covered = np.zeros((height, width), int)
    for box in tile_boxes(height, width, 200):
        assert max(box.w, box.h) <= 200
        assert box.inside(Box(0, 0, width, height))
        covered[box.y : box.bottom, box.x : box.right] += 1
    assert covered.min() >= 1


def test_tiles_see_what_is_too_small_for_the_whole_picture(red: Path) -> None:
    rgb = np.zeros((640, 960, 3), np.uint8)
    rgb[::2, :, 0] = 255  # lines of one pixel, which the network's 32x48 can't tell from grey
    whole, tiled = (
        predict(load_teacher(f"onnx:{red}", options), rgb)
        for options in (TeacherOptions(), TeacherOptions(tile_px=128))
    )
    truth = rgb[..., 0] > 0
    assert abs(whole[truth].mean() - whole[~truth].mean()) < 0.01
    assert np.allclose(tiled, whole, atol=0.1)  # a tile of 128 px is enlarged no more than that


def test_a_guided_mask_moves_its_edge_to_the_pictures() -> None:
    rgb = np.zeros((400, 400, 3), np.uint8)
    rgb[:, 200:] = 255
    rough = np.clip((np.arange(400, dtype=np.float32) - 191.5) / 10, 0, 1)[None].repeat(400, axis=0)  # 3 px off
    truth = np.arange(400) >= 200
    before, after = ((prob >= 0.5) != truth for prob in (rough, REFINEMENTS["guided"](rgb, rough)))
    assert after.sum() < before.sum() / 2


def test_grabcut_again_decides_only_what_was_in_doubt(astronaut: Image.Image) -> None:
    rgb = np.asarray(astronaut)
    rough = cv2.GaussianBlur(predict(load_teacher("grabcut"), rgb, [FACE]), (61, 61), 0)
    refined = REFINEMENTS["grabcut"](rgb, rough)
    sure = (rough <= 0.05) | (rough >= 0.95)
    assert np.array_equal(refined[sure], rough[sure])
    assert set(np.unique(refined[~sure])) <= {0.0, 1.0}


def test_a_batch_too_large_for_memory_is_halved_and_that_is_said(
    astronaut: Image.Image, caplog: pytest.LogCaptureFixture
) -> None:
    teacher = NetworkTeacher(TwoAtMost, name="x", person_class=0, input_px=64, device=torch.device("cpu"), batch_size=8)
    found = teacher.predict([Portrait(np.asarray(astronaut.resize((64, 64))), [])] * 9)
    assert len(found) == 9
    assert teacher.batch_size == 2
    assert caplog.messages == [f"out of memory with {n} images at once; continuing with {n // 2}" for n in (8, 4)]


def test_one_picture_too_large_for_memory_is_a_clear_line(astronaut: Image.Image) -> None:
    teacher = NetworkTeacher(
        lambda: TwoAtMost(room_for=0), name="x", person_class=0, input_px=64, device=torch.device("cpu"), batch_size=4
    )
    with pytest.raises(UserError, match="expected memory for an image of 64 px"):
        teacher.predict([Portrait(np.asarray(astronaut), [])])


class TwoAtMost(nn.Module):
    """A network that asks for more memory than any machine has, for batches of more than `room_for`."""

    def __init__(self, room_for: int = 2) -> None:
        super().__init__()
        self.room_for = room_for

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.room_for:
            torch.empty(2**50)
        return images[:, :1]


def test_bf16_gives_nearly_the_same_mask(saved_deeplab: Path, astronaut: Image.Image) -> None:
    rgb = np.asarray(astronaut)
    exact, coarse = (
        predict(load_teacher(str(saved_deeplab), TeacherOptions(precision=precision)), rgb)
        for precision in ("fp32", "bf16")
    )
    assert np.abs(exact - coarse).max() < 0.05
    assert not np.array_equal(exact, coarse)


def test_torchvisions_network_is_taken_from_where_it_keeps_its_weights(
    tmp_path: Path, astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=21)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    file = LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1.url.rpartition("/")[2]
    torch.save(network.state_dict(), tmp_path / "checkpoints" / file)
    teacher = load_teacher("lraspp", TeacherOptions(input_px=(64,)))
    prob = predict(teacher, np.asarray(astronaut))
    assert teacher.name.startswith("lraspp@")
    assert prob.shape == (512, 512)
    assert prob.max() < 0.5  # one of 21 classes, untrained


def test_an_onnx_teacher_takes_the_batch_size_that_its_network_takes(tmp_path: Path, astronaut: Image.Image) -> None:
    path = red_is_person(tmp_path / "red.onnx", batch="batch")
    teacher = load_teacher(f"onnx:{path}", TeacherOptions(batch_size=3))
    assert teacher.batch_size == 3
    rgb = np.asarray(astronaut)
    for prediction in teacher.predict([Portrait(rgb, [])] * 4):
        assert np.array_equal(prediction.prob, predict(load_teacher(f"onnx:{path}"), rgb))


def test_an_onnx_teacher_refuses_a_gpu_that_is_not_there(red: Path) -> None:
    with pytest.raises(UserError, match="expected CUDAExecutionProvider in ONNX Runtime for --device cuda"):
        load_teacher(f"onnx:{red}", TeacherOptions(device="cuda"))


def test_an_onnx_file_of_another_size_than_its_json_says_is_refused(tmp_path: Path) -> None:
    path = red_is_person(tmp_path / "red.onnx")
    stated = json.loads(path.with_suffix(".json").read_text())
    stated["input"]["width"] = 64
    path.with_suffix(".json").write_text(json.dumps(stated))
    with pytest.raises(UserError, match=r"expected a network that takes \(1, 32, 64, 3\)"):
        load_teacher(f"onnx:{path}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_px": (8,)}, "--input-px from 32"),
        ({"tile_px": 7}, "--tile-px of at least 128"),
        ({"refine": "magic"}, "--refine out of none, guided, grabcut"),
        ({"precision": "fp8"}, "--precision out of"),
        ({"batch_size": 0}, "--batch-size of at least 1"),
    ],
)
def test_options_that_no_teacher_has_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TeacherOptions(**options)


def test_a_teacher_of_fixed_size_refuses_another(red: Path) -> None:
    with pytest.raises(UserError, match="only with torch networks"):
        load_teacher(f"onnx:{red}", TeacherOptions(input_px=(256,)))


def test_a_hub_id_without_internet_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"from the Hugging Face hub, found no way to it .*hf download nobody/nothing"):
        load_teacher("hub:nobody/nothing")


@pytest.mark.slow
def test_four_networks_of_others_are_teachers(shared: Path, tmp_path: Path, portraits: Path) -> None:
    described = {
        "mediapipe_selfie": (256, 256, "nhwc", 0, 255, "probability", 0),
        "google_meet": (144, 256, "nhwc", 0, 255, "logits", 1),
        "deeplab_mnv2_050": (513, 513, "nchw", 127.5, 127.5, "logits", 1),
        "prisma_net": (256, 256, "nchw", 0, 255, "probability", 0),
    }
    names = sorted(path.stem for path in (portraits / "images").glob("valid_*"))[:8]
    for name, (height, width, layout, mean, std, kind, channel) in described.items():
        path = tmp_path / f"{name}.onnx"
        path.symlink_to(shared / f"reference/teachers/{name}.onnx")
        taken = {"height": height, "width": width, "layout": layout, "colour_order": "rgb"}
        scale = {"mean": [mean] * 3, "std": [std] * 3}
        given = {"kind": kind, "layout": layout, "person_channel": channel}
        path.with_suffix(".json").write_text(json.dumps({"input": taken | scale, "output": given}))
        teacher = load_teacher(f"onnx:{path}")
        ious = []
        for stem in names:
            rgb = np.asarray(Image.open(portraits / f"images/{stem}.jpg").convert("RGB"))
            truth = np.asarray(Image.open(portraits / f"masks/{stem}.png").convert("L")) >= 128
            person = predict(teacher, rgb) >= 0.5
            ious.append((person & truth).sum() / (person | truth).sum())
        assert np.mean(ious) > 0.8, name


def test_grabcut_finds_the_astronaut(astronaut: Image.Image) -> None:
    rgb = np.asarray(astronaut)
    person = predict(load_teacher("grabcut"), rgb, default_detector().detect(rgb)) >= 0.5
    assert person[120, 225]  # face
    assert person[400, 200]  # chest
    assert not person[30, 20:80].any()  # the flag beside her head
    assert not person[50:300, 400:].any()  # the shuttle


def test_grabcut_takes_a_close_up_without_background() -> None:
    rgb = np.full((100, 80, 3), 140, np.uint8)
    assert predict(load_teacher("grabcut"), rgb, [Face(-60, -60, 200, 220, 1.0)]).mean() == 1.0


def test_grabcut_without_a_face_sees_nobody(astronaut: Image.Image) -> None:
    assert predict(load_teacher("grabcut"), np.asarray(astronaut), []).max() == 0.0


def test_deeplab_weights_survive_saving(saved_deeplab: Path, astronaut: Image.Image) -> None:
    torch.manual_seed(0)
    network = smp.DeepLabV3Plus("mobilenet_v2", encoder_weights=None, classes=2)
    assert_same_network(load_smp(saved_deeplab).network(), network)


@pytest.mark.slow
def test_bare_safetensors_are_the_papers_network(tmp_path: Path, astronaut: Image.Image) -> None:
    network = smp.DeepLabV3Plus("se_resnext50_32x4d", encoder_weights=None, classes=1)
    save_file(network.state_dict(), tmp_path / "teacher.safetensors")
    teacher = load_teacher(str(tmp_path / "teacher.safetensors"))
    assert predict(teacher, np.asarray(astronaut), []).shape == (512, 512)


def test_unknown_teacher_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="grabcut, deeplabv3plus"):
        load_teacher("grabcup")


def test_deeplab_without_weights_says_how_to_go_on() -> None:
    with pytest.raises(UserError, match=r"--teacher PATH, or use --teacher starter"):
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


@pytest.fixture(scope="module")
def three_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Unet with three classes, as somebody else might have fitted it."""
    directory = tmp_path_factory.mktemp("unet")
    torch.manual_seed(0)
    smp.Unet("mobilenet_v2", encoder_weights=None, classes=3).save_pretrained(directory)
    return directory


def test_of_three_classes_the_person_must_be_named(three_classes: Path) -> None:
    with pytest.raises(UserError, match=r"expected --person-class with the 3 classes .* give the one of 0 to 2 that"):
        load_teacher(str(three_classes))


def test_the_class_that_is_named_is_the_person(three_classes: Path, astronaut: Image.Image) -> None:
    rgb = np.asarray(astronaut)
    probs = [predict(load_teacher(str(three_classes), TeacherOptions(person_class=i)), rgb) for i in range(3)]
    assert np.allclose(sum(probs), 1.0, atol=1e-5)


def test_a_class_that_is_not_there_is_refused(three_classes: Path) -> None:
    with pytest.raises(UserError, match=r"--person-class from 0 to 2 .*, found 3"):
        load_teacher(str(three_classes), TeacherOptions(person_class=3))


def test_every_architecture_of_the_library_is_taken(three_classes: Path) -> None:
    assert load_teacher(str(three_classes), TeacherOptions(person_class=1)).name.startswith("unet@")


def test_an_auxiliary_head_is_left_out(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = smp.Unet("mobilenet_v2", encoder_weights=None, classes=2, aux_params={"classes": 4})
    network.save_pretrained(tmp_path)
    network.classification_head = None
    assert_same_network(load_smp(tmp_path).network(), network)


def test_an_activation_in_the_config_is_not_applied_twice(saved_deeplab: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((saved_deeplab / name).read_bytes())
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"activation": "sigmoid"}))
    assert_same_network(load_smp(tmp_path).network(), load_smp(saved_deeplab).network())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([1], "expected a JSON object"),
        ({"encoder_name": "resnet5000"}, "expected the settings of a DeepLabV3Plus"),
        ({"encoder_name": "tu-hf_hub:somebody/net"}, "found the encoder 'tu-hf_hub:somebody/net'"),
        ({"encoder_name": "resnet18", "checkpoint_path": "/etc/passwd"}, "found checkpoint_path"),
        ({"decoder_channels": 1 << 40}, "expected the settings of a DeepLabV3Plus"),
        ({"_model_class": "Unicorn"}, "expected a network out of unet, .*found Unicorn"),
        ({"in_channels": 4}, r"3 channels \(RGB\)"),
    ],
)
def test_a_config_of_something_else_is_named(tmp_path: Path, config: object, message: str) -> None:
    save_file({"some.weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=message):
        load_teacher(str(tmp_path))
