"""`python -m manifests export FORMAT OUTPUT [V]`."""

import argparse
from collections.abc import Callable
from pathlib import Path

from manifests.cli.arguments import positive
from manifests.exports import EXPORTERS, export_version
from manifests.exports.options import SHARD_SIZE, ExportOptions
from manifests.exports.rows import STATUSES
from manifests.store.training_rows import SPLITS
from manifests.store.version_spec import open_version


def add_export(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Register the command; `add(name, run)` makes its parser, with --manifests and --data, as __main__ does."""
    parser = add("export", export)
    parser.add_argument("format", choices=tuple(EXPORTERS), metavar="FORMAT", help=", ".join(EXPORTERS))
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="a new directory; for cvat also a new .zip")
    parser.add_argument("version", nargs="?", metavar="V", help="3, v3 or a path; default: the latest")
    parser.add_argument("--split", choices=SPLITS, default="all", help="rows of this split alone (default: all)")
    parser.add_argument(
        "--status", choices=STATUSES, default="accepted", help="rows of this status (default: accepted)"
    )
    parser.add_argument("--soft", action="store_true", help="masks keep their probabilities, instead of 0 and 255")
    parser.add_argument(
        "--shard-size", type=positive, default=SHARD_SIZE, help=f"samples per tar of webdataset (default: {SHARD_SIZE})"
    )


def export(options: argparse.Namespace) -> None:
    """Write a version's accepted rows for another tool: COCO, CVAT, Label Studio, FiftyOne, Hugging Face, ..."""
    manifest = open_version(options.version, manifests=options.manifests, data_root=options.data)
    chosen = export_version(
        manifest,
        options.format,
        options.output,
        split=options.split,
        status=options.status,
        options=ExportOptions(soft=options.soft, shard_size=options.shard_size),
    )
    by_split = ", ".join(f"{chosen.count(split)} {split}" for split in chosen.splits)
    print(f"{options.format}: {len(chosen)} samples of v{manifest.version} ({by_split})")
    print(options.output)
