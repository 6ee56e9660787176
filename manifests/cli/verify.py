"""`python -m manifests verify V`."""

import argparse
import time
from contextlib import closing
from pathlib import Path

import pyarrow.compute as pc

from manifests.cli.arguments import add_database_url, add_version, version_of
from manifests.cli.lineage_log import lineage_log
from manifests.decisions.database import describe, integrity_problems
from manifests.decisions.log import existing_log
from manifests.errors import UserError
from manifests.files.storage import is_remote
from manifests.files.tombstones import Tombstones
from manifests.store.manifest import Manifest, ManifestStore
from manifests.upkeep.garbage import find_garbage
from manifests.upkeep.verify import verify

PROBLEMS_PRINTED = 20


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add V, --decode and --database-url."""
    add_version(parser)
    add_database_url(parser)
    parser.add_argument("--decode", action="store_true", help="also decode the pixels of every blob")


def run(options: argparse.Namespace) -> None:
    """Check a version, print its problems, and fail when there is one."""
    manifest = version_of(options)
    problems = [*verify(manifest, decode=options.decode), *_log_problems(options.database_url, manifest)]
    if manifest.path.parent.resolve() == options.manifests.resolve():  # else its siblings are unknown
        _print_orphans(options.manifests, manifest.data_root)
    for problem in problems[:PROBLEMS_PRINTED]:
        print(problem)
    if problems:
        raise UserError(f"expected {manifest.path} to be sound, found {len(problems)} problem(s), listed above")
    forgotten = pc.sum(Tombstones.read(manifest.data_root).of_samples(manifest.read(["sample_id"]))).as_py()
    but = f" but of {forgotten} forgotten sample(s)" if forgotten else ""
    print(f"{manifest.path}: {manifest.counts['rows']} rows, every blob present and unaltered{but}")


def _log_problems(database_url: str | None, manifest: Manifest) -> list[str]:
    """What the database's own check finds wrong with the decision log; prints which database it is."""
    if not database_url and is_remote(manifest.data_root):
        return []
    log = existing_log(database_url, manifest.data_root)
    if log is None:
        return []
    with closing(log):
        print(f"decision log: {describe(log.engine)}")
        return [f"decision log: {problem}" for problem in integrity_problems(log.engine)]


def _print_orphans(manifests: Path, data_root: Path) -> None:
    """Print the orphan blobs of a local directory; they are no problem of the version."""
    if is_remote(manifests) or is_remote(data_root):
        return
    try:
        with lineage_log(ManifestStore(manifests), None, data_root, need=None) as log:
            garbage = find_garbage(manifests, data_root, log=log, now=time.time())
    except UserError:  # not a problem of this version; `gc` reports it
        return
    if garbage.deletable or garbage.young:
        print(f"orphan blobs: {garbage}; see python -m manifests gc")
