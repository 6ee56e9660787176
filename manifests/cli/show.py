"""`python -m manifests show V`."""

import argparse
from pathlib import Path

from manifests.cli.arguments import add_version, version_of
from manifests.cli.converters import positive
from manifests.store.manifest import Manifest

COLUMNS = ["sample_id", "source", "origin", "width", "height", "doubt", "split", "status", "source_uri"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add V, --limit and --sheet."""
    add_version(parser)
    parser.add_argument(
        "--limit", type=positive, default=10, help="rows, or samples on the sheet (default: %(default)s)"
    )
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="draw samples and masks instead")


def run(options: argparse.Namespace) -> None:
    """Print a version's metadata and first rows, or draw a contact sheet of its samples."""
    manifest = version_of(options)
    if options.sheet:
        _draw_sheet(manifest, options.sheet, limit=options.limit)
    else:
        _print(manifest, limit=options.limit)


def _print(manifest: Manifest, *, limit: int) -> None:
    import pandas as pd

    print(f"{manifest.path}: version {manifest.version}, parent {manifest.parent or 'none'}, {manifest.operation}")
    print(f"made      {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC by version {manifest.code_version}")
    print(f"data root {manifest.data_root}")
    print(f"digest    {manifest.digest}")
    for name, value in manifest.parameters.items():
        print(f"  {name} = {value}")
    with pd.option_context("display.width", 200, "display.max_columns", None, "display.max_colwidth", 60):
        print(manifest.read(COLUMNS).slice(0, limit).to_pandas().to_string(index=False))


def _draw_sheet(manifest: Manifest, path: Path, *, limit: int) -> None:
    from manifests.files.blobs import BlobStore
    from manifests.pixels.contact_sheet import contact_sheet
    from manifests.pixels.image_files import save_image
    from manifests.samples.pair import PAIR_COLUMNS, read_pair

    blobs = BlobStore(manifest.data_root)
    table = manifest.read(PAIR_COLUMNS)
    step = max(1, table.num_rows // limit)
    rows = table.take(list(range(0, table.num_rows, step))).slice(0, limit).to_pylist()
    save_image(contact_sheet([read_pair(blobs, row) for row in rows]), path)
    print(path)
