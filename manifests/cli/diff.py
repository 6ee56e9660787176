"""`python -m manifests diff A B`."""

import argparse
from pathlib import Path

from manifests.cli.converters import positive
from manifests.store.version_spec import open_version


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add A, B, --sheet and --limit."""
    parser.add_argument("old", metavar="A", help="3, v3 or a path")
    parser.add_argument("new", metavar="B", help="likewise")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="draw changed samples, with old and new mask")
    parser.add_argument("--limit", type=positive, default=24, help="samples on the sheet (default: 24)")


def run(options: argparse.Namespace) -> None:
    """Print the changes of rows between two versions, and draw the changed samples."""
    from manifests.pixels.image_files import save_image
    from manifests.versions.diff import diff, draw_changes

    old, new = (
        open_version(version, manifests=options.manifests, data_root=options.data)
        for version in (options.old, options.new)
    )
    changes = diff(old, new)
    print(changes)
    if options.sheet:
        save_image(draw_changes(changes, old, new, limit=options.limit), options.sheet)
        print(options.sheet)
