"""Networks of segmentation-models-pytorch: images (N, 3, H, W) -> logits (N, 2, H, W).

`save_pretrained` writes the format its own `from_pretrained` and the pipeline's teacher read. Pretrained encoders
are fetched from the internet, so by default there are none.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
from torch import Tensor, nn

from manifests.errors import UserError
from manifests.files.atomic import write_replace
from trainer.models import PREFIX
from trainer.models.padding import pad_to_multiple

SIDE_MULTIPLE_PX = 32
INPUT_PX = "_input_px"  # in config.json: side of the images it was fitted on; smp ignores it
ENCODER = re.compile(r"[\w.-]+", re.ASCII)


def smp_network(architecture: str, encoder: str, *, encoder_weights: str | None = None) -> "SmpNetwork":
    """`architecture` is smp's name, `deeplabv3plus` say. UserError for unknown names and unavailable weights."""
    return _build(architecture, encoder, encoder_weights)


def deeplabv3plus_se_resnext50(encoder_weights: str | None = None) -> "SmpNetwork":
    """The teacher of SINet's paper, section 3.4."""
    return smp_network("deeplabv3plus", "se_resnext50_32x4d", encoder_weights=encoder_weights)


def deeplabv3plus_mobilenetv2_050(encoder_weights: str | None = None) -> "SmpNetwork":
    """A teacher for two cores, 0.7 M parameters: MobileNetV2 at half its width, and half a decoder."""
    return _build("deeplabv3plus", "tu-mobilenetv2_050", encoder_weights, decoder_channels=128)


def segformer_b0(encoder_weights: str | None = None) -> "SmpNetwork":
    """SegFormer-B0, arXiv 2105.15203, whose logits at 1/4 are enlarged; smp's default decoder of 256 channels."""
    return smp_network("segformer", "mit_b0", encoder_weights=encoder_weights)


def _build(architecture: str, encoder: str, encoder_weights: str | None, **settings: Any) -> "SmpNetwork":
    if not ENCODER.fullmatch(encoder):  # timm takes `hf_hub:OWNER/NAME` for weights to fetch, whatever is asked for
        raise UserError(
            f"expected {PREFIX}ARCHITECTURE:ENCODER with letters, digits, '_', '-' and '.', found {encoder!r}"
        )
    try:
        network = smp.create_model(
            architecture, encoder_name=encoder, encoder_weights=encoder_weights, classes=2, **settings
        )
    except (KeyError, ValueError, RuntimeError) as error:
        raise UserError(
            f"expected {PREFIX}ARCHITECTURE:ENCODER as segmentation-models-pytorch names them, "
            f"found {architecture}:{encoder} ({str(error)[:300]})"
        ) from error
    except OSError as error:  # of downloads; every network library has its own, all are OSErrors
        raise UserError(
            f"expected to fetch the {encoder_weights} weights of {encoder}, found no way to them; "
            "go without --encoder-weights, or run where there is internet"
        ) from error
    return SmpNetwork(network)


class SmpNetwork(nn.Module):
    """(N, 3, H, W) -> logits (N, 2, H, W); other sides than multiples of 32 are padded."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        logits: Tensor = self.network(pad_to_multiple(images, SIDE_MULTIPLE_PX))
        return logits[..., :height, :width]


def save_pretrained(model: SmpNetwork, directory: Path, *, input_px: int) -> None:
    """Write config.json and model.safetensors into `directory`, each whole or not at all.

    `input_px`, the side of the images it was fitted on, is added to the config under a name that smp ignores.
    """
    with tempfile.TemporaryDirectory() as temporary:
        model.network.save_pretrained(temporary)  # type: ignore[operator]  # smp's networks have it, nn.Module doesn't say
        config = json.loads((Path(temporary) / "config.json").read_text()) | {INPUT_PX: input_px}
        write_replace(directory / "config.json", (json.dumps(config, indent=2) + "\n").encode())
        write_replace(directory / "model.safetensors", (Path(temporary) / "model.safetensors").read_bytes())
