"""`python -m trainer.import_weights`: weights that others fitted -> a checkpoint like those of trainer.fit.

A state dict of SINet's authors: their networks see BGR, standardised and then divided by 255 once more; that
preprocessing goes into the checkpoint. The file is read as tensors only: a pickle with anything else in it is refused,
and nothing in it is run. Or TensorFlow's MobileNetV2 x0.5 in an ONNX file: the encoder of a DeepLabv3+ whose decoder
is fresh, to be fitted with `trainer.fit --init`.
"""

import argparse
import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from manifests.command import run_command
from manifests.errors import UserError
from trainer.checkpoint import BEST, CheckpointInfo, save_checkpoint
from trainer.import_encoder import load_mobilenet
from trainer.models import create_model
from trainer.models.sinet import SINet, load_authors_state_dict, sinet
from trainer.preprocessing import Preprocessing, imagenet, sinet_authors

ONNX_SUFFIX = ".onnx"
_DATA_PARALLEL = "module."  # what DataParallel puts before every name


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    model: nn.Module
    if options.weights.suffix == ONNX_SUFFIX:
        name, preprocessing = "deeplabv3plus_mobilenetv2_050", imagenet(options.size)
        model = create_model(name)
        load_mobilenet(model.get_submodule("network.encoder"), options.weights, preprocessing)
    else:
        name = "sinet"
        preprocessing = Preprocessing(
            options.size, mean=tuple(options.mean), std=tuple(options.std), divisor=255.0, colour_order="bgr"
        )
        model = authors_sinet(options.weights)
    info = CheckpointInfo(
        model=name,
        preprocessing=preprocessing,
        epoch=0,
        loss=0.0,
        metrics=None,
        manifest_version=0,
        manifest_digest="",
    )
    save_checkpoint(options.output / BEST, model, info)
    print(options.output / BEST)


def authors_sinet(path: Path) -> SINet:
    """The network with the weights of the authors' file; UserError when they don't fit."""
    model = sinet()
    load_authors_state_dict(model, read_state_dict(path))
    return model


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Named tensors of a torch.save file; UserError for files of another kind, and for pickles with code."""
    if not path.is_file():
        raise UserError(f"expected a state dict at {path}, found no file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols: what it can't read, it refuses
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(
            f"expected a state dict, tensors and nothing else, in {path}, found a file of another kind or one "
            "that holds code, which was not run; save the model's state_dict()"
        ) from error
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise UserError(f"expected a state dict, tensors by name, in {path}, found {type(found).__name__}")
    return {str(name).removeprefix(_DATA_PARALLEL): tensor for name, tensor in found.items()}


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    released = sinet_authors()
    parser = argparse.ArgumentParser(
        "python -m trainer.import_weights",
        description="Turn a released SINet state dict (393 tensors), or TensorFlow's MobileNetV2 x0.5 in an ONNX file, "
        "into a checkpoint. The defaults are SINet.pth's.",
    )
    parser.add_argument("weights", type=Path, metavar="FILE")
    parser.add_argument("--output", type=Path, required=True, help="directory of the checkpoint")
    channels = ("B", "G", "R")
    of_sinet = "of SINet's pixels, on 0..255"
    parser.add_argument("--mean", type=float, nargs=3, default=released.mean, metavar=channels, help=of_sinet)
    parser.add_argument("--std", type=float, nargs=3, default=released.std, metavar=channels, help=of_sinet)
    parser.add_argument("--size", type=int, default=released.size_px, help="image side (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
