"""`python -m manifests gc`."""

import argparse
import time

from manifests.cli.arguments import add_database_url
from manifests.cli.lineage_log import lineage_log
from manifests.files.storage import require_local
from manifests.store.manifest import ManifestStore
from manifests.upkeep.garbage import count_and_size, delete_garbage, find_garbage, storage_clock


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --delete and --database-url."""
    parser.add_argument("--delete", action="store_true", help="delete them (default: only count them)")
    add_database_url(parser)


def run(options: argparse.Namespace) -> None:
    """Print the count and bytes of blobs that nothing uses; --delete deletes them."""
    require_local(options.manifests, "gc")
    store = ManifestStore(options.manifests)
    data_root = options.data or store.open().data_root
    require_local(data_root, "gc")
    need = "only it names masks that measure reviewers" if options.delete else None
    with lineage_log(store, options.database_url, data_root, need=need) as log:
        now = storage_clock(data_root) if options.delete else time.time()
        garbage = find_garbage(options.manifests, data_root, log=log, now=now)
    print(f"{data_root}: {garbage}")
    if options.delete:
        print(f"deleted {count_and_size(delete_garbage(garbage, data_root), 'file')}")
    elif garbage.deletable or garbage.leftovers:
        print("nothing was deleted; --delete deletes them")
