"""`python -m trainer.import_weights`: weights that others fitted -> a checkpoint like those of trainer.fit.

A state dict of SINet's authors: their networks see BGR, standardised and then divided by 255 once more; that
preprocessing goes into the checkpoint. The file is read as tensors only: a pickle with anything else in it is refused,
and nothing in it is run. Or TensorFlow's MobileNetV2 x0.5 in an ONNX file: the encoder of a DeepLabv3+ whose decoder
is fresh, to be fitted with `trainer.fit --init`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from manifests.cli.arguments import run_command
from trainer.data.preprocessing import Preprocessing, imagenet, sinet_authors
from trainer.models import create_model
from trainer.weights.authors_weights import authors_sinet
from trainer.weights.checkpoint import BEST, CheckpointInfo, save_checkpoint
from trainer.weights.encoder_weights import load_mobilenet

ONNX_SUFFIX = ".onnx"


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
