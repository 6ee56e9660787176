"""`python -m manifests gc`."""

import argparse
import time
from pathlib import Path

from manifests.cli.arguments import add_database_url
from manifests.cli.lineage_log import lineage_log
from manifests.errors import UserError
from manifests.files.bucket import Bucket
from manifests.files.storage import is_remote
from manifests.store.manifest import ManifestStore
from manifests.upkeep.garbage import count_and_size, delete_garbage, find_garbage, storage_clock


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --delete and --database-url."""
    parser.add_argument("--delete", action="store_true", help="delete them (default: only count them)")
    add_database_url(parser)


def run(options: argparse.Namespace) -> None:
    """Print the count and bytes of blobs that nothing uses; --delete deletes them."""
    store = ManifestStore(options.manifests)
    data_root = options.data or store.open().data_root
    if options.delete and is_remote(data_root):
        Bucket(data_root).require_versioning()
        _require_log(options.database_url, data_root)
    need = "only it names masks that measure reviewers" if options.delete else None
    with lineage_log(store, options.database_url, data_root, need=need) as log:
        now = storage_clock(data_root) if options.delete else time.time()
        garbage = find_garbage(options.manifests, data_root, log=log, now=now)
    print(f"{data_root}: {garbage}")
    if options.delete:
        print(f"deleted {count_and_size(delete_garbage(garbage, data_root), 'file')}")
    elif garbage.deletable or garbage.leftovers:
        print("nothing was deleted; --delete deletes them")


def _require_log(database_url: str | None, data_root: Path) -> None:
    """UserError without a log: whether there is one can't be seen at a URL."""
    if not database_url:
        raise UserError(
            f"expected --database-url, as only the decision log names masks that measure reviewers and it can't lie in "
            f"{data_root}, found none; where nobody has reviewed, pass an empty file's: touch none.sqlite3, then "
            "sqlite:///none.sqlite3"
        )
