"""`python -m trainer.export`: a checkpoint as ONNX, OpenVINO, ncnn, CoreML and TFLite files, compared with it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import CommandParser, run_command
from manifests.cli.converters import positive
from manifests.errors import UserError
from trainer.weights.checkpoint_files import LICENCE_NOT_STATED, STARTER, checkpoint_path

COMPARED = 100
PRECISIONS = ("fp32", "fp16", "int8")
PRECISE = ("onnx", "tflite")  # targets that have all precisions
TARGETS = ("onnx", "openvino", "ncnn", "coreml", "tflite")  # the table in conversion; tests compare them


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    _check_choices(options)
    from trainer.export.conversion import export_checkpoint  # after parsing: torch takes seconds to load

    export_checkpoint(
        options.checkpoint,
        options.to,
        options.output,
        precisions=options.precision,
        name=options.name,
        licence=options.licence,
        side_px=options.size,
        dynamic=options.dynamic,
        fewest_operations=options.fewest_operations,
        manifest=options.manifest,
        data_root=options.data,
        compared=options.compare,
    )


def _check_choices(options: argparse.Namespace) -> None:
    """UserError when options contradict each other."""
    if options.precision != ["fp32"] and not set(PRECISE) & set(options.to):
        raise UserError(
            f"expected {' or '.join(PRECISE)} in --to for --precision {' '.join(options.precision)}, found neither; "
            "add one"
        )
    if "int8" in options.precision and not options.manifest:
        raise UserError("expected --manifest with photographs to calibrate int8 with, found none; add one")
    if "int8" in options.precision and options.dynamic:
        raise UserError("expected --precision int8 without --dynamic, found both; export it on its own")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser(
        "python -m trainer.export",
        description=__doc__,
        example="--checkpoint runs/first --to onnx --output exported/first",
    )
    parser.add_argument(
        "--checkpoint", type=checkpoint_path, required=True, metavar="PATH",
        help=f"a .safetensors file, a run's directory, or {STARTER}",
    )  # fmt: skip
    parser.add_argument("--to", nargs="+", choices=TARGETS, required=True, help="formats, one or more")
    parser.add_argument("--output", type=Path, required=True, help="a new folder, or one of an earlier export")
    parser.add_argument("--name", help="name of the files (default: the run's)")
    parser.add_argument(
        "--precision", nargs="+", choices=PRECISIONS, default=["fp32"],
        help="precisions of the ONNX and TFLite files; int8 needs --manifest (default: fp32)",
    )  # fmt: skip
    parser.add_argument("--size", type=positive, metavar="PX", help="side of the input (default: the checkpoint's)")
    parser.add_argument(
        "--dynamic", action="store_true", help="batch, height and width are free in ONNX and OpenVINO (default: fixed)"
    )
    parser.add_argument(
        "--fewest-operations", action="store_true",
        help="merge a SINet's branches, for accelerators: fewer operations, no faster on CPUs (default: as fits CPUs)",
    )  # fmt: skip
    parser.add_argument("--manifest", type=Path, help="manifests/v<N>.parquet: photographs to compare on")
    parser.add_argument(
        "--compare", type=positive, default=COMPARED, metavar="N", help="how many of them (default: %(default)s)"
    )
    parser.add_argument("--data", type=Path, help="data root (default: the one the manifest records)")
    parser.add_argument(
        "--license",
        "--licence",
        dest="licence",
        help=f"licence of the weights, for the metadata (default: {LICENCE_NOT_STATED})",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
