"""`python -m trainer.image_encoder`: write a SINet's encoder as an ONNX file for image embeddings."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import CommandParser, run_command
from manifests.cli.converters import positive
from trainer.weights.checkpoint_files import STARTER, checkpoint_path

PHOTOGRAPHS = 1000  # to standardise by


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    from manifests.pixels.image_files import list_pictures, usable_pictures
    from manifests.progress import progress
    from trainer.image_encoder.encoder import image_encoder, write_image_encoder  # after parsing: torch loads slowly
    from trainer.weights.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(options.checkpoint)
    paths = [path for folder in options.images for path in list_pictures(folder)]
    paths = paths[:: max(1, -(-len(paths) // options.limit))]
    photographs = (rgb for _, rgb in usable_pictures(progress(paths, "reading", total=len(paths))))
    write_image_encoder(image_encoder(checkpoint, photographs), checkpoint, options.output)
    print(options.output)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "python -m trainer.image_encoder", description=__doc__, example="--images photographs --output encoder.onnx"
    )
    parser.add_argument(
        "--checkpoint", type=checkpoint_path, default=checkpoint_path(STARTER), metavar="PATH",
        help=f"a SINet: a .safetensors file or a run's directory (default: {STARTER})",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=Path, nargs="+", required=True, metavar="DIR", help="photographs to standardise by"
    )
    parser.add_argument(
        "--limit", type=positive, default=PHOTOGRAPHS, metavar="N",
        help="of them, at equal distances (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, required=True, metavar="PATH", help="the ONNX file to write")
    return parser


if __name__ == "__main__":
    run_command(main)
