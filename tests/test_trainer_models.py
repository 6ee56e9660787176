"""What every network of MODELS promises."""

from pathlib import Path

import pytest
import torch

from manifests.errors import UserError
from trainer.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from trainer.losses import segmentation_loss
from trainer.models import MODELS, create_model
from trainer.preprocessing import imagenet

every_model = pytest.mark.parametrize("name", MODELS)


@every_model
@pytest.mark.parametrize("height_width", [(64, 64), (96, 160)])
def test_logits_have_two_classes_and_the_inputs_size(name: str, height_width: tuple[int, int]):
    logits = create_model(name).eval()(torch.zeros(2, 3, *height_width))
    assert logits.shape == (2, 2, *height_width)
    assert logits.dtype == torch.float32


@every_model
def test_gradient_reaches_every_parameter(name: str):
    generator = torch.manual_seed(0)
    model = create_model(name).train()
    images = torch.randn(4, 3, 96, 96, generator=generator)
    labels = torch.zeros(4, 96, 96, dtype=torch.long)
    labels[:, 30:, 20:70] = 1
    segmentation_loss(model(images), labels).backward()
    dead = [path for path, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert dead == []


@every_model
def test_the_same_images_in_channels_last_give_the_same_logits(name: str):
    model = create_model(name).eval()
    images = torch.rand(2, 3, 64, 64)
    expected = model(images)
    found = model.to(memory_format=torch.channels_last)(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@every_model
def test_save_and_load_give_the_same_logits(name: str, tmp_path: Path):
    model = create_model(name).eval()
    info = CheckpointInfo(name, imagenet(64), 1, 0.5, None, manifest_version=1, manifest_digest="0" * 64)
    save_checkpoint(tmp_path / "model.safetensors", model, info)
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(load_checkpoint(tmp_path / "model.safetensors").model(images), model(images))


@pytest.mark.parametrize("height_width", [(216, 224), (224, 225), (240, 320)])
def test_sides_that_are_no_multiple_of_32_are_refused(height_width: tuple[int, int]):
    height, width = height_width
    with pytest.raises(ValueError, match=rf"multiples of 32, found {height}x{width}"):
        create_model("sinet")(torch.zeros(1, 3, height, width))


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(UserError, match=r"expected a model out of sinet.*found 'sinnet'"):
        create_model("sinnet")
