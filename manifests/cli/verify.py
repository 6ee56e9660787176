"""`python -m manifests verify V`."""

import argparse
import time
from contextlib import closing, nullcontext
from pathlib import Path

from manifests.cli.arguments import add_version, version_of
from manifests.decisions.log import existing_log
from manifests.errors import UserError
from manifests.files.storage import is_remote
from manifests.upkeep.garbage import find_garbage
from manifests.upkeep.verify import verify

PROBLEMS_PRINTED = 20


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add V and --decode."""
    add_version(parser)
    parser.add_argument("--decode", action="store_true", help="also decode the pixels of every blob")


def run(options: argparse.Namespace) -> None:
    """Check a version, print its problems, and fail when there is one."""
    manifest = version_of(options)
    problems = verify(manifest, decode=options.decode)
    if manifest.path.parent.resolve() == options.manifests.resolve():  # of other versions the siblings aren't known
        _print_orphans(options.manifests, manifest.data_root)
    for problem in problems[:PROBLEMS_PRINTED]:
        print(problem)
    if problems:
        raise UserError(f"expected {manifest.path} to be sound, found {len(problems)} problem(s), listed above")
    print(f"{manifest.path}: {manifest.counts['rows']} rows, every blob present and unaltered")


def _print_orphans(manifests: Path, data_root: Path) -> None:
    """Print orphan blobs of a local directory. A version is sound whatever lies beside its blobs."""
    if is_remote(manifests) or is_remote(data_root):
        return
    try:
        log = existing_log(None, data_root)
        with closing(log) if log else nullcontext():
            garbage = find_garbage(manifests, data_root, log=log, now=time.time())
    except UserError:  # the version's own problems are printed; whatever else is wrong there is for `gc` to report
        return
    if garbage.deletable or garbage.young:
        print(f"orphan blobs: {garbage}; see python -m manifests gc")
