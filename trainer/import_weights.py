"""`python -m trainer.import_weights`: third-party weights -> a checkpoint like trainer.fit's.

A state dict of SINet's authors: their networks see BGR, standardised and then divided by 255 once more; that
preprocessing goes into the checkpoint. The file is read as tensors only: a pickle with anything else in it is refused,
and nothing in it is run. Or TensorFlow's MobileNetV2 x0.5 in an ONNX file: the encoder of a DeepLabv3+ whose decoder
is random, to be fitted with `trainer.fit --init`. Or a `save_pretrained` directory of segmentation-models-pytorch, such
as a run's `pretrained` or the starter teacher: `trainer.fit --init` goes on from there.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import CommandParser, run_command
from manifests.cli.converters import positive

# Of SINet.pth, as in data/preprocessing, which loads torch; tests compare them.
MEAN, STD = (107.304565, 115.69884, 132.35703), (63.97182, 65.1337, 68.29726)


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    from trainer.weights.imported_weights import import_weights  # after parsing: torch takes seconds to load

    path = import_weights(
        options.weights, options.output, size_px=options.size, mean=tuple(options.mean), std=tuple(options.std)
    )
    print(path)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser(
        "python -m trainer.import_weights",
        description="Turn a released SINet state dict (393 tensors), TensorFlow's MobileNetV2 x0.5 in an ONNX file, or "
        "a save_pretrained directory of segmentation-models-pytorch, such as the starter teacher's, into a checkpoint. "
        "The defaults are SINet.pth's.",
        example="SINet.pth --output runs/authors",
    )
    parser.add_argument("weights", type=Path, metavar="PATH")
    parser.add_argument("--output", type=Path, required=True, help="directory of the checkpoint")
    channels = ("B", "G", "R")
    of_sinet = "of SINet's pixels, on 0..255"
    parser.add_argument("--mean", type=float, nargs=3, default=MEAN, metavar=channels, help=of_sinet)
    parser.add_argument("--std", type=float, nargs=3, default=STD, metavar=channels, help=of_sinet)
    parser.add_argument("--size", type=positive, help="image side, px (default: that of a directory, else 224)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
