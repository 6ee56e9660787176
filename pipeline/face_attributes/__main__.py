"""`python -m pipeline.face_attributes`: the arguments."""

import argparse
from collections.abc import Sequence

from manifests.cli.arguments import CommandParser, run_command
from manifests.files.storage import place


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    from pipeline.face_attributes.run import search_and_write  # loads torch

    search_and_write(options.manifest, options.data, again=options.again)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "python -m pipeline.face_attributes",
        description="Search the images of a version's samples, but for rejected ones, for faces. Their number, and the "
        "yaw and roll of the largest, become attributes, which trainer.evaluate --slices and manifests stats read.",
        example="--manifest manifests/v3.parquet",
    )
    parser.add_argument("--manifest", required=True, help="a version's Parquet file, or URL")
    parser.add_argument("--data", type=place, help="data root (default: the manifest's)")
    parser.add_argument("--again", action="store_true", help="also samples that have these attributes already")
    return parser


if __name__ == "__main__":
    run_command(main)
