"""`python -m trainer.evaluate`: three metrics of checkpoints and ONNX files on the accepted rows of a manifest."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import CommandParser, run_command
from manifests.files.storage import place
from manifests.store.manifest import Manifest
from manifests.store.training_rows import SPLITS
from trainer.weights.checkpoint_files import STARTER, checkpoint_path


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    from trainer.evaluate.evaluation import evaluate_files  # after parsing: torch takes seconds to load

    evaluate_files(
        options.checkpoint,
        Manifest.open(options.manifest, data_root=options.data),
        options.split,
        options.device,
        rotations=options.rotations,
        person_free=options.person_free,
        by_slice=options.slices,
        output=options.output,
        as_json=options.json,
    )


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser(
        "python -m trainer.evaluate",
        description="Measure checkpoints on the accepted rows of a manifest, at each mask's own size.",
        example="--checkpoint starter runs/first --manifest manifests/v3.parquet",
    )
    parser.add_argument(
        "--checkpoint",
        type=checkpoint_path,
        metavar="PATH",
        required=True,
        nargs="+",
        help="a .safetensors file, a run's directory, an .onnx file with a .json beside it, or "
        f"{STARTER}; several make a table",
    )
    parser.add_argument("--manifest", type=place, required=True, help="manifests/v<N>.parquet, or URL")
    parser.add_argument("--split", choices=SPLITS, default="val", help="which rows (default: %(default)s)")
    parser.add_argument("--rotations", type=float, nargs="+", default=[], metavar="DEGREES", help="e.g. 25 45 75 90")
    parser.add_argument(
        "--person-free", nargs="?", const="", metavar="DIR",
        help="false_person_share, too: the share of person pixels in images without people, those in DIR or (default) "
        "person-free pieces of the measured ones",
    )  # fmt: skip
    parser.add_argument(
        "--slices",
        action="store_true",
        help="metrics by face size, person's share, light, source, ..., worst first",
    )
    parser.add_argument(
        "--output", type=Path, help="directory for a sheet of the worst 40 images, and for slices.csv of --slices"
    )
    parser.add_argument("--data", type=place, help="data root (default: the one the manifest records)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per checkpoint, last")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
