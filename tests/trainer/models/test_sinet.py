"""SINet against the authors' network: golden outputs, counts, their weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from manifests.errors import UserError
from trainer.fit.losses import cross_entropy
from trainer.models.sinet import GATES, SINet, load_authors_state_dict, sinet
from trainer.models.sinet_cityscapes import sinet_cityscapes

CONV_MACS_224 = 63_866_208  # the authors' network; its squeeze-and-excite counts as linear layers
SQUEEZE_EXCITE_MACS = 4_240
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def authors_weights(shared: Path) -> dict[str, Tensor]:
    return torch.load(shared / "reference/SINet.pth", map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Tensor]:
    with np.load(shared / "reference/sinet_golden.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


@pytest.fixture
def pretrained(authors_weights: dict[str, Tensor]) -> SINet:
    model = sinet()
    load_authors_state_dict(model, authors_weights)
    return model.eval()


def count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_sinet_has_the_papers_parameter_counts():
    model = sinet()
    assert count_parameters(model) == 86_910
    assert count_parameters(model.encoder) == 86_764
    assert count_parameters(sinet(classes=1)) == 86_684


@pytest.mark.parametrize(
    ("part", "parameters"),
    [
        ("stem", 360),
        ("downsample4", 516),
        ("modules4", 5_088),
        ("merge4", 192),
        ("downsample8", 8_080),
        ("modules8", 71_808),
        ("merge8", 432),
        ("classifier", 288),
    ],
)
def test_each_encoder_part_has_its_row_of_table_2(part: str, parameters: int):
    assert count_parameters(sinet().encoder.get_submodule(part)) == parameters


def test_sinet_takes_the_papers_multiply_accumulates():
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        sinet().eval()(torch.zeros(1, 3, 224, 224))
    assert counter.get_total_flops() == 2 * (CONV_MACS_224 + SQUEEZE_EXCITE_MACS)


@pytest.mark.parametrize("case", ["rand255", "batch2_160x256", "obama"])
def test_logits_equal_the_authors(case: str, pretrained: SINet, golden: dict[str, Tensor]):
    with torch.no_grad():
        logits = pretrained(golden[f"{case}_input"])
    expected = golden[f"{case}_logits_224"]
    assert (logits - expected).abs().max() < TOLERANCE
    assert torch.equal(logits.argmax(1), expected.argmax(1))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("encoder.classifier", "enc_logits_28"),
        ("norm4", "bn_3_56"),
        ("skip4", "level2_C_56"),
        ("norm2", "bn_2_112"),
    ],
)
def test_intermediate_outputs_equal_the_authors(module: str, name: str, pretrained: SINet, golden: dict[str, Tensor]):
    outputs: list[Tensor] = []
    pretrained.get_submodule(module).register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    with torch.no_grad():
        pretrained(golden["rand255_input"])
    assert (outputs[0] - golden[f"rand255_{name}"]).abs().max() < TOLERANCE


def test_the_encoder_alone_gives_logits_at_one_eighth(pretrained: SINet, golden: dict[str, Tensor]):
    with torch.no_grad():
        logits = pretrained.encoder(golden["rand255_input"])
    assert (logits - golden["rand255_enc_logits_28"]).abs().max() < TOLERANCE


def test_one_training_step_equals_the_authors(pretrained: SINet, golden: dict[str, Tensor]):
    pretrained.train()
    loss = cross_entropy(pretrained(golden["train_input"]), golden["train_labels"].long())
    loss.backward()
    norms = torch.stack([parameter.grad.norm() for parameter in pretrained.parameters()])
    assert loss.item() == pytest.approx(3.65562, abs=1e-4)
    torch.testing.assert_close(norms, golden["train_grad_norms"], rtol=1e-3, atol=TOLERANCE)
    running_mean = pretrained.get_buffer("encoder.stem.1.running_mean")
    torch.testing.assert_close(running_mean, golden["train_bn_running_mean_level1"], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("sides", [(64, 96), (50, 70)])
def test_the_person_logit_is_the_difference_of_the_logits(sides: tuple[int, int], pretrained: SINet):
    images = torch.randn(2, 3, *sides, generator=torch.Generator().manual_seed(0))
    logits = pretrained(images)
    torch.testing.assert_close(pretrained.person_logit(images), logits[:, 1] - logits[:, 0], rtol=1e-3, atol=1e-3)


def test_foreign_weights_are_refused_with_the_first_misfit(authors_weights: dict[str, Tensor]):
    with pytest.raises(UserError, match="expected 393 tensors"):
        load_authors_state_dict(sinet(), dict(list(authors_weights.items())[:-1]))
    widened = authors_weights | {"bn_3.weight": torch.ones(3)}
    with pytest.raises(UserError, match=r"expected norm4.weight \(2,\).*found bn_3.weight \(3,\)"):
        load_authors_state_dict(sinet(), widened)


@pytest.mark.slow
def test_sinet_exports_with_a_dynamic_batch():
    batch = torch.export.Dim("batch", min=1, max=8)
    exported = torch.export.export(sinet().eval(), (torch.zeros(2, 3, 64, 96),), dynamic_shapes=({0: batch},))
    assert exported.module()(torch.zeros(3, 3, 64, 96)).shape == (3, 2, 64, 96)


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({"branches": "k3p1"}, 81_918),  # Table 5: pooling has no parameters
        ({"branches": "k3p2"}, 81_918),
        ({"branches": "k3p4"}, 81_918),
        ({"branches": "k5p1"}, 95_742),
        ({"branches": "k5p2"}, 95_742),
        ({"branches": "k5p4"}, 95_742),
        ({"gate": "reverse"}, 86_910),  # Table 4
        ({"gate": "none"}, 86_910),
        ({"gate": "gau"}, 86_914),  # and a 1x1 convolution of 2 classes
    ],
)
def test_the_papers_variants_have_their_parameter_counts(options: dict[str, str], parameters: int):
    assert count_parameters(sinet(**options)) == parameters


@pytest.mark.parametrize(("branches", "conv_gmacs"), [("k3p1", 0.0704), ("k3p4", 0.0289), ("k5p1", 0.0849)])
def test_table_5s_variants_take_their_multiply_accumulates(branches: str, conv_gmacs: float):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        sinet(branches=branches).eval()(torch.zeros(1, 3, 224, 224))
    found = counter.get_total_flops() / 2 - SQUEEZE_EXCITE_MACS
    assert found / 1e9 == pytest.approx(conv_gmacs, abs=6e-5)


def test_the_gates_pass_what_their_names_say():
    coarse = torch.tensor([[[[0.0, 100.0]], [[0.0, 0.0]]]])  # in doubt, sure of background
    assert GATES["ib"](2)(coarse).flatten().tolist() == pytest.approx([0.5, 0.0])
    assert GATES["reverse"](2)(coarse).flatten().tolist() == pytest.approx([0.5, 1.0])
    assert GATES["none"](2)(coarse).flatten().tolist() == [1.0]
    assert GATES["gau"](2)(coarse).shape == (1, 2, 1, 1)


@pytest.mark.parametrize("options", [{"gate": "open"}, {"branches": "k7p1"}])
def test_an_unknown_variant_lists_the_known_ones(options: dict[str, str]):
    with pytest.raises(UserError, match=r"expected one of (ib, reverse|paper, k3p1)"):
        sinet(**options)


def test_the_cityscapes_network_has_its_parameter_counts():
    assert count_parameters(sinet_cityscapes(classes=19)) == 119_418
    assert count_parameters(sinet_cityscapes(classes=20)) == 119_902


def test_padding_keeps_what_was_there(pretrained: SINet):
    images = torch.rand(1, 3, 250, 201, generator=torch.Generator().manual_seed(0)) / 255
    logits = pretrained(images)
    assert logits.shape == (1, 2, 250, 201)
    by_hand = torch.nn.functional.pad(images, [0, 23, 0, 6], mode="replicate")
    assert torch.equal(logits, pretrained(by_hand)[..., :250, :201])
