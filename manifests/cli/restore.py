"""`python -m manifests restore V`."""

import argparse

from manifests.cli.arguments import add_database_url
from manifests.cli.lineage_log import lineage_log
from manifests.store.manifest import ManifestStore
from manifests.store.version_spec import open_version
from manifests.versions.restore import Restored, restore


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add V, --take-back and --database-url."""
    parser.add_argument("version", metavar="V", help="3, v3 or its path")
    parser.add_argument("--take-back", action="store_true", help="undo verdicts later than V in the decision log")
    add_database_url(parser)


def run(options: argparse.Namespace) -> None:
    """Write a new version whose rows are those of an older one; existing versions stay unchanged."""
    store = ManifestStore(options.manifests)
    old = open_version(options.version, manifests=options.manifests, data_root=options.data)
    with lineage_log(store, options.database_url, options.data or store.open().data_root) as log:
        restored = restore(store, old, log, take_back=options.take_back)
    print(restored.undone)
    _print_later_verdicts(restored, old.version, taken_back=options.take_back)
    print(restored.manifest.path)


def _print_later_verdicts(restored: Restored, version: int, *, taken_back: bool) -> None:
    masks = len({decision.key for decision in restored.later})
    if not masks:
        return
    line = f"\n{len(restored.later):,} verdict(s) on {masks:,} of these masks came after v{version}: "
    line += "taken back, the masks wait for review again" if taken_back else "the next publish applies them again"
    print(line if taken_back else f"{line} (--take-back undoes them)")
