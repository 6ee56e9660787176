"""What every network of MODELS promises."""

import json
import math
import re
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from repository import ROOT

from manifests.errors import UserError
from trainer.data.preprocessing import imagenet
from trainer.fit.edge_head import HasEdgeHead
from trainer.fit.losses import segmentation_loss
from trainer.models import MODELS, create_model
from trainer.models.sernet import AttentionBoostingGate, DilatedSum
from trainer.models.smp_network import save_pretrained
from trainer.weights.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint

LARGE = {"deeplabv3plus_se_resnext50", "sersegformer_b0", "sernet_former"}
every_model = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in (*MODELS, "smp:linknet:resnet18")],
)


# With two classes; those of published networks are theirs, less the parameters that no output uses.
PARAMETERS = {
    "sinet": 86_910,
    "enet": 355_542,
    "espnet": 344_841,
    "espnet_full": 347_724,  # 347,784 with five classes, which the public code has
    "lraspp_mobilenetv3_small": 512_996,  # ours: SINet's paper says 0.47 M
    "contextnet12": 874_370,
    "ds_espnet": 107_754,  # ours: there is no reference
    "ds_espnet_050": 30_646,
    "extremec3": 37_762,
    "espnetv2": 777_830 - 480,  # slopes of a PReLU that strided units never call
    "espnetv2_150": 458_102 - 352,
    "portraitnet": 2_080_760,
    "portraitnet_edge": 2_080_904,
    "bisenet_resnet18": 12_409_664 - 513_000,  # ResNet's classifier of 1,000 classes
    "segformer_b0": 3_714_658,
    "segformer_b0_upsampling": 3_898_978,  # FastSeg's, on another SegFormer, has 3.8988 M
    "sersegformer_b0": 3_898_978 + 139_104,  # ours: FastSeg's has other modules as well
    "sernet_former": 9_410_818,  # ours: FastSeg's has 9.23 M
    "mobilenet_dilate_unet": 2_378_217 + 33,  # the last 1x1 has a second class
    "shuffle_seg_skipnet": 908_100,  # these three are ours: the public counts hold parameters that nothing uses
    "esp_dense_seg": 259_388,
    "residualdense_bisenet": 127_950,
    "erd_seg": 813_584,  # ours, of 828,190
    "erd_matting": 813_584 + 1_035,  # the feather head's is the published count
}

# With other numbers of classes, as published.
OTHER_CLASSES = {("espnet_full", 5): 347_784, ("mobilenet_dilate_unet", 1): 2_378_217}


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_the_number_of_parameters_is_the_published_one(name: str, parameters: int):
    assert sum(p.numel() for p in create_model(name).parameters()) == parameters


@pytest.mark.parametrize(("name", "classes"), OTHER_CLASSES)
def test_with_the_published_classes_the_number_of_parameters_is_the_published_one(name: str, classes: int):
    model = create_model(name, classes=classes)
    assert sum(p.numel() for p in model.parameters()) == OTHER_CLASSES[name, classes]


def test_the_table_of_the_docs_lists_every_network_with_its_parameters():
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", (ROOT / "docs/models.md").read_text(), re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(MODELS)
    assert {name: count for name, count in rows if name in PARAMETERS} == {
        name: f"{count:,}" for name, count in PARAMETERS.items()
    }


def test_the_docs_have_a_line_of_use_for_every_network():
    used = re.findall(
        r"^`python -m trainer\.fit .*--model (\w+)[ `]", (ROOT / "docs/models.md").read_text(), re.MULTILINE
    )
    assert sorted(used) == sorted(MODELS)


@every_model
def test_logits_have_two_classes_and_the_inputs_size(name: str):
    model = create_model(name).eval()
    for images, height, width in ((2, 64, 64), (1, 96, 160), (1, 224, 224), (1, 256, 256), (1, 320, 320)):
        with torch.inference_mode():
            logits = model(torch.zeros(images, 3, height, width))
        assert logits.shape == (images, 2, height, width)
        assert logits.dtype == torch.float32


@every_model
def test_gradient_reaches_every_parameter(name: str):
    generator = torch.manual_seed(1)  # with 0 all inputs of one PReLU of two channels are positive
    model = create_model(name).train()
    images = torch.randn(4, 3, 96, 96, generator=generator)
    labels = torch.zeros(4, 96, 96, dtype=torch.long)
    labels[:, 30:, 20:70] = 1
    outputs = model.training_outputs(images) if isinstance(model, HasEdgeHead) else [model(images)]
    sum(segmentation_loss(logits, labels) for logits in outputs).backward()
    dead = [path for path, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert dead == []


@every_model
def test_the_same_images_in_channels_last_give_the_same_logits(name: str):
    model = create_model(name).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        expected = model(images)
        found = model.to(memory_format=torch.channels_last)(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@every_model
def test_save_and_load_give_the_same_logits(name: str, tmp_path: Path):
    model = create_model(name).eval()
    info = CheckpointInfo(name, imagenet(64), 1, 0.5, None, manifest_version=1, manifest_digest="0" * 64)
    save_checkpoint(tmp_path / "model.safetensors", model, info)
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(load_checkpoint(tmp_path / "model.safetensors").model(images), model(images))


def test_an_edge_head_gives_edges_of_the_inputs_size_and_leaves_the_logits_as_they_are():
    model = create_model("portraitnet_edge").eval()
    images = torch.rand(1, 3, 100, 75)
    logits, edges = model.training_outputs(images)
    assert torch.equal(logits, model(images))
    assert edges.shape == (1, 2, 100, 75)


def test_a_matting_head_gives_the_logit_of_alpha_and_the_segmentation():
    model = create_model("erd_matting").eval()
    images = torch.rand(1, 3, 100, 75)
    logits, matte_logits = model.matting_outputs(images)
    assert torch.equal(logits, model.body(images))
    assert torch.equal(matte_logits, model(images))
    *_, last = model.coefficients
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    last.bias.data[0] = 5.0  # of the person's probability
    torch.testing.assert_close(model(images).softmax(dim=1)[:, 1], (5 * logits.softmax(dim=1)[:, 1]).sigmoid())


def test_a_gate_adds_the_input_times_its_sigmoid_and_a_dilated_sum_the_three_branches():
    x = torch.tensor([0.0, math.log(3)])
    torch.testing.assert_close(AttentionBoostingGate()(x), torch.tensor([0.0, math.log(3) * 1.75]))
    block, maps = DilatedSum(4).eval(), torch.rand(1, 4, 40, 40)
    assert [branch[0].dilation for branch in block.branches] == [(12, 12), (16, 16), (18, 18)]
    torch.testing.assert_close(block(maps), torch.stack([branch(maps) for branch in block.branches]).sum(dim=0))


def test_sersegformer_has_a_gate_in_every_place_that_fastseg_names():
    encoder = create_model("sersegformer_b0").body.encoder
    gated = [path for path, module in encoder.named_modules() if isinstance(module, AttentionBoostingGate)]
    embeddings, reduced = ([path for path in gated if part in path] for part in ("patch_embed", "attn.norm"))
    assert len(embeddings) == 4
    assert len(reduced) == 6  # two blocks in each of three stages; the last one reduces nothing
    assert len([path for path in gated if "mlp.act" in path]) == 8
    assert len(gated) == 18


@every_model
def test_any_size_is_padded(name: str):
    with torch.inference_mode():
        assert create_model(name).eval()(torch.zeros(1, 3, 100, 75)).shape == (1, 2, 100, 75)


def test_the_encoder_alone_refuses_sides_that_are_no_multiple_of_32():
    with pytest.raises(ValueError, match="multiples of 32, found 216x224"):
        create_model("sinet").encoder(torch.zeros(1, 3, 216, 224))


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(UserError, match=r"expected a model out of sinet.*found 'sinnet'"):
        create_model("sinnet")


def test_an_option_of_another_model_is_refused():
    with pytest.raises(UserError, match=r"expected options of sinet_cityscapes out of classes, found gate"):
        create_model("sinet_cityscapes", gate="ib")


@pytest.mark.parametrize("encoder", ["tu-hf_hub:somebody/net", "tu-hf-hub:somebody/net", "../resnet18", ""])
def test_no_encoder_is_fetched_by_its_name(encoder: str) -> None:
    with pytest.raises(UserError, match="expected "):
        create_model(f"smp:unet:{encoder}")


@pytest.mark.parametrize("name", ["smp:unet", "smp:unet:resnet19", "smp:onet:resnet18"])
def test_an_unknown_smp_network_is_one_clear_line(name: str):
    with pytest.raises(UserError, match="expected smp:ARCHITECTURE:ENCODER"):
        create_model(name)


def test_an_smp_network_is_saved_as_its_library_and_the_pipeline_read_it(tmp_path: Path):
    model = create_model("deeplabv3plus_se_resnext50").eval()
    save_pretrained(model, tmp_path / "teacher", input_px=512)
    config = json.loads((tmp_path / "teacher/config.json").read_text())
    assert (config["_model_class"], config["encoder_name"]) == ("DeepLabV3Plus", "se_resnext50_32x4d")
    assert config["_input_px"] == 512
    loaded = smp.from_pretrained(tmp_path / "teacher").eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(images), model(images))
