"""DeepLabv3+ (Chen et al. 2018) by segmentation-models-pytorch: the paper's teacher, from weights on this machine.

The paper (section 3.4) uses an SE-ResNeXt-50 encoder, fine-tuned on about 2,500 fine-grained person masks.
Weights come as a `save_pretrained` directory, whose config.json names network and encoder, or as a bare
`.safetensors` file of the paper's network. Nothing is downloaded.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import segmentation_models_pytorch as smp
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from manifests.blobs import sha256_hex
from manifests.errors import UserError
from manifests.geometry import Pixels
from pipeline.faces import Face

PAPER_CONFIG = {"_model_class": "DeepLabV3Plus", "encoder_name": "se_resnext50_32x4d"}
IMAGENET_MEAN = (
    0.485,
    0.456,
    0.406,
)  # RGB in [0, 1]; what smp's ImageNet encoders, SE-ResNeXt-50 too, were fitted with
IMAGENET_STD = (0.229, 0.224, 0.225)
LONG_SIDE_PX = 512
STRIDE_PX = 32  # sides of the network's input are multiples of this

_TENSORS_NAMED = 3  # of those missing or left over
_REASON_LETTERS = 200  # smp's own words can be a list of 500 encoders


class DeepLabV3Plus:
    """A teacher with one output channel (sigmoid) or two (softmax, class 1 is person). Safe to use from threads."""

    def __init__(self, network: nn.Module, *, name: str, device: str = "cpu") -> None:
        self.name = name
        self._network = network.eval().to(device)
        self._device = device

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> "DeepLabV3Plus":
        """From a `save_pretrained` directory or a `.safetensors` file; UserError when it doesn't fit."""
        weights_path = path / "model.safetensors" if path.is_dir() else path
        config = _read_config(weights_path.parent / "config.json")
        try:
            digest = sha256_hex(weights_path.read_bytes())
            weights = load_file(weights_path)
        except FileNotFoundError as error:
            raise UserError(f"expected teacher weights at {weights_path}, found no file") from error
        except SafetensorError as error:
            raise UserError(f"expected a safetensors file at {weights_path}, found: {error}") from error
        network = _build(config, weights, weights_path)
        return cls(network, name=f"deeplabv3plus@{digest[:12]}", device=device)

    def predict(self, rgb: Pixels, faces: list[Face]) -> npt.NDArray[np.float32]:
        """RGB uint8 (H, W, 3) -> person probability float32 (H, W). The faces are not used."""
        height, width = rgb.shape[:2]
        batch = torch.tensor(rgb, device=self._device).permute(2, 0, 1)[None].float() / 255.0  # (1, 3, H, W)
        batch = F.interpolate(batch, _network_size(height, width), mode="bilinear", antialias=True)
        mean, std = (
            torch.tensor(values, device=self._device).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD)
        )
        with torch.inference_mode():
            prob = _person_prob(self._network((batch - mean) / std))  # (1, 1, h, w)
        prob = F.interpolate(prob, (height, width), mode="bilinear").clamp(0.0, 1.0)
        return prob[0, 0].cpu().numpy()


def _person_prob(logits: Tensor) -> Tensor:
    """(N, C, H, W) with C = 1 or 2 -> (N, 1, H, W)."""
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)[:, 1:2]


def _network_size(height: int, width: int) -> tuple[int, int]:
    scale = LONG_SIDE_PX / max(height, width)
    rounded = [max(STRIDE_PX, round(side * scale / STRIDE_PX) * STRIDE_PX) for side in (height, width)]
    return rounded[0], rounded[1]


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return dict(PAPER_CONFIG)
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"expected JSON in {path}, found: {error}") from error
    if not isinstance(config, dict):
        raise UserError(f"expected a JSON object in {path}, found {type(config).__name__}")
    return config


def _build(config: dict[str, Any], weights: dict[str, Tensor], path: Path) -> nn.Module:
    architecture = config.pop("_model_class", PAPER_CONFIG["_model_class"])
    if architecture != "DeepLabV3Plus":
        raise UserError(f"expected a DeepLabV3Plus in {path.parent}, found {architecture}")
    head = weights.get("segmentation_head.0.weight")
    classes = head.shape[0] if head is not None else config.get("classes", 1)
    if classes not in (1, 2):
        raise UserError(f"expected a teacher with 1 or 2 classes in {path}, found {classes}")
    if config.get("in_channels", 3) != 3:
        raise UserError(f"expected a teacher that takes 3 channels (RGB) in {path}, found {config['in_channels']}")
    settings = {name: value for name, value in config.items() if not name.startswith("_")}
    # logits and nothing else come out: what makes them probabilities is in `predict`
    settings |= {"encoder_weights": None, "classes": classes, "activation": None, "aux_params": None}
    try:
        network: nn.Module = smp.DeepLabV3Plus(**settings)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        reason = str(error)[:_REASON_LETTERS]
        raise UserError(f"expected the settings of a DeepLabV3Plus beside {path}, found: {reason}") from error
    expected = network.state_dict()
    wrong = [
        *(f"{name} is missing" for name in expected.keys() - weights.keys()),
        *(f"{name} is left over" for name in weights.keys() - expected.keys()),
        *(
            f"{name} has shape {tuple(weights[name].shape)}, not {tuple(expected[name].shape)}"
            for name in expected.keys() & weights.keys()
            if weights[name].shape != expected[name].shape
        ),
    ]
    if wrong:
        raise UserError(
            f"expected the tensors of DeepLabV3Plus with {settings.get('encoder_name')} in {path}, "
            f"found {len(wrong)} that differ: {'; '.join(sorted(wrong)[:_TENSORS_NAMED])}"
        )
    network.load_state_dict(weights)
    return network
