"""`python -m manifests gc`."""

import argparse
import time
from contextlib import closing, nullcontext

from manifests.cli.arguments import add_database_url
from manifests.decisions.log import existing_log, sqlite_url
from manifests.errors import UserError
from manifests.files.storage import require_local
from manifests.store.manifest import ManifestStore
from manifests.upkeep.garbage import count_and_size, delete_garbage, find_garbage


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --delete and --database-url."""
    parser.add_argument("--delete", action="store_true", help="delete them (default: only say what would be)")
    add_database_url(parser)


def run(options: argparse.Namespace) -> None:
    """Print the count and bytes of blobs that nothing names; --delete deletes them."""
    require_local(options.manifests, "gc")
    store = ManifestStore(options.manifests)
    data_root = options.data or store.open().data_root
    require_local(data_root, "gc")
    log = existing_log(options.database_url, data_root)
    if options.delete and log is None and any(manifest.operation == "review" for manifest in store.history()):
        raise UserError(
            f"expected the decision log {sqlite_url(data_root)}, found none, though reviews were published: masks that "
            "measure reviewers are named there alone; pass --database-url"
        )
    with closing(log) if log else nullcontext():
        garbage = find_garbage(options.manifests, data_root, log=log, now=time.time())
    print(f"{data_root}: {garbage}")
    if options.delete:
        print(f"deleted {count_and_size(delete_garbage(garbage))}")
    elif garbage.deletable:
        print("nothing was deleted; --delete does it")
