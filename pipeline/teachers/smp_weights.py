"""Networks of segmentation-models-pytorch from weights on this machine, or from the Hugging Face hub.

The paper's teacher (section 3.4) is DeepLabv3+ (Chen et al. 2018) with an SE-ResNeXt-50 encoder, fine-tuned on about
2,500 fine-grained person masks. Weights come as a `save_pretrained` directory, whose config.json names network and
encoder, as a bare `.safetensors` file of the paper's network, or as a hub id, which is fetched.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from inspect import signature
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from manifests.errors import UserError
from manifests.files.blobs import sha256_hex
from manifests.files.json_text import read_json_object
from pipeline.teachers.options import DEFAULT_INPUT_PX, MAX_INPUT_PX, MIN_INPUT_PX

INPUT_PX = "_input_px"  # in config.json: trainer.fit adds it to smp's own keys; smp ignores it
PAPER_CONFIG = {"_model_class": "DeepLabV3Plus", "encoder_name": "se_resnext50_32x4d"}
FILES = ("config.json", "model.safetensors")  # of a save_pretrained directory

_AUXILIARY_HEAD = "classification_head."  # smp's `aux_params`: its labels of the whole image decide no mask
_ENCODER = re.compile(r"[\w.-]+", re.ASCII)  # timm takes `hf_hub:OWNER/NAME` for weights to fetch
_TENSORS_NAMED = 3  # of those that differ
_REASON_LETTERS = 200  # smp's message can list 500 encoders


@dataclass(frozen=True, slots=True)
class SmpWeights:
    """A network with its weights; `name` is `architecture@12 hex digits` of the weights.

    `network()` builds it once; UserError when the weights don't fit.
    """

    network: Callable[[], nn.Module]
    name: str
    classes: int
    input_px: int  # longer side of the images it was fitted on, else DEFAULT_INPUT_PX


def load_smp(path: Path) -> SmpWeights:
    """Read a `save_pretrained` directory or a `.safetensors` file; UserError when it can't be one."""
    weights_path = path / "model.safetensors" if path.is_dir() else path
    config = _read_config(weights_path.parent / "config.json")
    try:
        digest = sha256_hex(weights_path.read_bytes())
        tensors = load_file(weights_path)
    except FileNotFoundError as error:
        raise UserError(f"expected teacher weights at {weights_path}, found no file") from error
    except SafetensorError as error:
        raise UserError(f"expected a safetensors file at {weights_path}, found: {error}") from error
    weights = {name: tensor for name, tensor in tensors.items() if not name.startswith(_AUXILIARY_HEAD)}
    architecture = str(config.pop("_model_class", PAPER_CONFIG["_model_class"]))
    head = weights.get("segmentation_head.0.weight")
    classes = head.shape[0] if head is not None and head.ndim else config.get("classes", 1)
    input_px = config.get(INPUT_PX, DEFAULT_INPUT_PX)
    if not isinstance(input_px, int) or not MIN_INPUT_PX <= input_px <= MAX_INPUT_PX:
        raise UserError(
            f"expected {INPUT_PX} from {MIN_INPUT_PX} to {MAX_INPUT_PX} in the config beside {weights_path}, "
            f"found {input_px!r}"
        )
    network = partial(_build, architecture, config, classes, weights, weights_path)
    return SmpWeights(cache(network), f"{architecture.lower()}@{digest[:12]}", classes, input_px)


def fetch_from_hub(repository: str) -> Path:
    """Fetch the `save_pretrained` directory of a hub id `owner/name`; UserError when it can't."""
    from huggingface_hub import snapshot_download  # takes a second to import
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        directory = Path(snapshot_download(repository, allow_patterns=list(FILES)))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).strip().partition("\n")[0][:_REASON_LETTERS]
        raise UserError(
            f"expected to fetch the teacher {repository} from the Hugging Face hub, found no way to it ({reason}); "
            "give a directory on this machine, or fetch it where there is internet: hf download " + repository
        ) from error
    return directory


def _read_config(path: Path) -> dict[str, Any]:
    return read_json_object(path) if path.is_file() else dict(PAPER_CONFIG)


def _build(
    architecture: str, config: dict[str, Any], classes: int, weights: dict[str, Tensor], path: Path
) -> nn.Module:
    import segmentation_models_pytorch as smp  # here: it takes seconds

    architectures = smp.MODEL_ARCHITECTURES_MAPPING
    if architecture.lower() not in architectures:
        raise UserError(f"expected a network out of {', '.join(architectures)} in {path.parent}, found {architecture}")
    if config.get("in_channels", 3) != 3:
        raise UserError(f"expected a teacher that takes 3 channels (RGB) in {path}, found {config['in_channels']}")
    settings = {name: value for name, value in config.items() if not name.startswith("_")}
    known = signature(architectures[architecture.lower()].__init__).parameters
    strange = sorted(settings.keys() - known.keys())  # they would reach timm, which reads files and fetches weights
    if strange or not _ENCODER.fullmatch(str(settings.get("encoder_name", "resnet34"))):  # smp's default
        found = ", ".join(strange) or f"the encoder {settings.get('encoder_name')!r}"
        raise UserError(f"expected the settings of a {architecture} beside {path}, found {found[:_REASON_LETTERS]}")
    # logits only: the teacher turns them into probabilities
    settings |= {"encoder_weights": None, "classes": classes, "activation": None, "aux_params": None}
    try:
        network: nn.Module = architectures[architecture.lower()](**settings)
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:  # RuntimeError: out of memory
        reason = str(error)[:_REASON_LETTERS]
        raise UserError(f"expected the settings of a {architecture} beside {path}, found: {reason}") from error
    expected = network.state_dict()
    wrong = [
        *(f"{name} is missing" for name in expected.keys() - weights.keys()),
        *(f"{name} is not expected" for name in weights.keys() - expected.keys()),
        *(
            f"{name} has shape {tuple(weights[name].shape)}, not {tuple(expected[name].shape)}"
            for name in expected.keys() & weights.keys()
            if weights[name].shape != expected[name].shape
        ),
    ]
    if wrong:
        raise UserError(
            f"expected the tensors of {architecture} with {settings.get('encoder_name')} in {path}, "
            f"found {len(wrong)} that differ: {'; '.join(sorted(wrong)[:_TENSORS_NAMED])}"
        )
    network.load_state_dict(weights)
    return network
