"""Directories of segmentation-models-pytorch, the starter teacher's among them, as a start for trainer.fit."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import pipeline.teachers
from manifests.errors import UserError
from pipeline.teachers.smp_weights import load_smp
from trainer import import_weights
from trainer.models import create_model
from trainer.models.smp_network import save_pretrained
from trainer.weights.checkpoint import load_checkpoint

STARTER_TEACHER = Path(pipeline.teachers.__file__).parent / "starter"


def import_directory(directory: Path, output: Path, *more: str):
    import_weights.main([str(directory), "--output", str(output), *more])
    return load_checkpoint(output)


def test_the_starter_teacher_is_the_network_that_labels(tmp_path):
    checkpoint = import_directory(STARTER_TEACHER, tmp_path / "run")
    assert (checkpoint.info.model, checkpoint.info.preprocessing.size_px) == ("deeplabv3plus_mobilenetv2_050", 320)
    images = torch.rand(1, 3, 96, 64)
    with torch.inference_mode():
        torch.testing.assert_close(checkpoint.model(images), load_smp(STARTER_TEACHER).network().eval()(images))


def test_a_runs_pretrained_network_comes_back_by_smps_name(tmp_path):
    name = "smp:linknet:tu-mobilenetv2_050"
    network = create_model(name)
    save_pretrained(network, tmp_path / "pretrained", input_px=128)
    checkpoint = import_directory(tmp_path / "pretrained", tmp_path / "run")
    assert (checkpoint.info.model, checkpoint.info.preprocessing.size_px) == (name, 128)
    for ours, theirs in zip(checkpoint.model.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert import_directory(tmp_path / "pretrained", tmp_path / "run", "--size", "64").info.preprocessing.size_px == 64


def copy_with(tmp_path: Path, change: dict) -> Path:
    directory = tmp_path / "copy"
    directory.mkdir(exist_ok=True)
    config = json.loads((STARTER_TEACHER / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | change))
    (directory / "model.safetensors").write_bytes((STARTER_TEACHER / "model.safetensors").read_bytes())
    return directory


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_model_class": "Nothing"}, "found nothing:tu-mobilenetv2_050"),
        ({"encoder_name": "hf_hub:a/b"}, "expected smp:ARCHITECTURE:ENCODER"),
        ({"encoder_name": "tu-mobilenetv2_100"}, r"copy/model\.safetensors.*of another shape"),
        ({"_input_px": "wide"}, r"expected _input_px of at least 1 in .*config\.json, found 'wide'"),
        ({"_input_px": True}, "found True"),
    ],
)
def test_another_network_or_a_damaged_config_is_one_clear_line(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        import_directory(copy_with(tmp_path, change), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_missing_and_damaged_files_are_one_clear_line(tmp_path):
    directory, output = copy_with(tmp_path, {}), tmp_path / "run"
    tensors = load_file(directory / "model.safetensors")
    one = next(iter(tensors))
    save_file({one: tensors.pop(one)}, directory / "model.safetensors")
    with pytest.raises(UserError, match="missing"):
        import_directory(directory, output)
    (directory / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"expected a safetensors file at .*model\.safetensors"):
        import_directory(directory, output)
    (directory / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"expected weights at .*model\.safetensors, found no file"):
        import_directory(directory, output)
    for text, message in (("[]", "found list"), ("{", "expected JSON in")):
        (directory / "config.json").write_text(text)
        with pytest.raises(UserError, match=message):
            import_directory(directory, output)
    (directory / "config.json").unlink()
    with pytest.raises(UserError, match="expected a save_pretrained directory, found no"):
        import_directory(directory, output)
