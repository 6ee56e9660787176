"""A `save_pretrained` directory of segmentation-models-pytorch -> a network of ours with its weights.

trainer.fit writes such a directory as `pretrained` in a run, and the pipeline's starter teacher is one.
"""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from manifests.errors import UserError
from manifests.files.json_text import read_json_object
from trainer.models import PREFIX, create_model
from trainer.models.smp_network import INPUT_PX
from trainer.weights.checkpoint import check_tensors

NAMES = {  # networks of ours, by smp's architecture and encoder; others keep smp's names
    ("deeplabv3plus", "tu-mobilenetv2_050"): "deeplabv3plus_mobilenetv2_050",
    ("deeplabv3plus", "se_resnext50_32x4d"): "deeplabv3plus_se_resnext50",
    ("segformer", "mit_b0"): "segformer_b0",
}


def load_pretrained(directory: Path) -> tuple[str, nn.Module, int | None]:
    """Name, network and the side of the images it was fitted on, px, where config.json has it.

    UserError when a file is missing or damaged, and for tensors of another network than ours of that name.
    """
    config, weights_path = _read_config(directory / "config.json"), directory / "model.safetensors"
    kind = (str(config.get("_model_class")).lower(), str(config.get("encoder_name")))
    name, side_px = NAMES.get(kind, PREFIX + ":".join(kind)), _side_px(config, directory)
    try:
        weights = load_file(weights_path)
    except FileNotFoundError as error:
        raise UserError(f"expected weights at {weights_path}, found no file") from error
    except SafetensorError as error:
        raise UserError(f"expected a safetensors file at {weights_path}, found another or a damaged one") from error
    model = create_model(name)
    ours = {f"network.{tensor_name}": tensor for tensor_name, tensor in weights.items()}
    check_tensors(ours, model.state_dict(), weights_path)
    model.load_state_dict(ours)
    return name, model, side_px


def _read_config(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path)
    except FileNotFoundError as error:
        raise UserError(f"expected a save_pretrained directory, found no {path}") from error


def _side_px(config: dict[str, Any], directory: Path) -> int | None:
    side = config.get(INPUT_PX)
    if side is not None and (not isinstance(side, int) or isinstance(side, bool) or side < 1):
        raise UserError(f"expected {INPUT_PX} of at least 1 in {directory / 'config.json'}, found {side!r}")
    return side
