"""`python -m manifests export FORMAT OUTPUT [V]`."""

import argparse
from pathlib import Path

from manifests.cli.arguments import add_version, version_of
from manifests.cli.converters import positive
from manifests.exports import EXPORTERS, export_version
from manifests.exports.hub import PUSHED, check_hub, push_export
from manifests.exports.options import PERSON_VALUES, SHARD_SIZE, ExportOptions
from manifests.exports.rows import STATUSES
from manifests.store.training_rows import SPLITS


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add FORMAT, OUTPUT, V and the formats' options."""
    parser.add_argument("format", choices=tuple(EXPORTERS), metavar="FORMAT", help=", ".join(EXPORTERS))
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="a new directory; for cvat also a new .zip")
    add_version(parser)
    parser.add_argument("--split", choices=SPLITS, default="all", help="only rows of this split (default: all)")
    parser.add_argument("--status", choices=STATUSES, default="accepted", help="only these rows (default: accepted)")
    parser.add_argument("--soft", action="store_true", help="masks keep their probabilities, instead of 0 and 255")
    parser.add_argument(
        "--person-value", type=int, choices=PERSON_VALUES, default=PERSON_VALUES[0],
        help=f"the person's value in binary masks (default: {PERSON_VALUES[0]})",
    )  # fmt: skip
    parser.add_argument(
        "--shard-size", type=positive, default=SHARD_SIZE, help=f"samples per tar of webdataset (default: {SHARD_SIZE})"
    )
    parser.add_argument(
        "--push", metavar="OWNER/NAME",
        help=f"also push {' or '.join(PUSHED)} to this dataset on the Hugging Face hub, as the revision v<N>",
    )  # fmt: skip
    parser.add_argument("--public", action="store_true", help="with --push: a public dataset (default: private)")
    parser.set_defaults(usage_error=parser.error)


def run(options: argparse.Namespace) -> None:
    """Write a version's accepted rows for another tool: COCO, CVAT, Label Studio, FiftyOne, Hugging Face, ..."""
    if options.push and options.format not in PUSHED:
        options.usage_error(f"--push takes the formats {', '.join(PUSHED)}, found {options.format}")
    if options.public and not options.push:
        options.usage_error("--public goes with --push OWNER/NAME")
    manifest = version_of(options)
    hub = check_hub(options.push, manifest.version, public=options.public) if options.push else None
    samples = export_version(
        manifest,
        options.format,
        options.output,
        split=options.split,
        status=options.status,
        options=ExportOptions(options.soft, options.person_value, options.shard_size),
    )
    by_split = ", ".join(f"{samples.count(split)} {split}" for split in samples.splits)
    print(f"{options.format}: {len(samples)} samples of v{manifest.version} ({by_split})")
    if hub:
        print(f"pushed to {push_export(options.output, hub)}")
    print(options.output)
