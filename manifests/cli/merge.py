"""`python -m manifests merge OTHER`."""

import argparse
from collections import Counter
from collections.abc import Sequence

from manifests.cli.arguments import add_database_url
from manifests.cli.lineage_log import lineage_log
from manifests.files.storage import place
from manifests.store.manifest import ManifestStore
from manifests.versions.lineages import common_ancestor, open_other
from manifests.versions.merge import PREFERENCES, Conflict, MergeConflicts, Merged, merge
from manifests.versions.merged_splits import Move

CONFLICTS_PRINTED = 20


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add OTHER, --into, --other-data, --prefer and --database-url."""
    parser.add_argument("other", type=place, metavar="OTHER", help="another manifests directory, or a version in one")
    parser.add_argument(
        "--into", dest="manifests", type=place, default=argparse.SUPPRESS, help="the same as --manifests"
    )
    parser.add_argument("--other-data", type=place, help="data root of OTHER (default: the one it records)")
    parser.add_argument(
        "--prefer", choices=PREFERENCES, help="whose row to keep in a conflict (default: list the conflicts)"
    )
    add_database_url(parser)


def run(options: argparse.Namespace) -> None:
    """Merge the rows of another lineage, blobs included, into the next version; list conflicts."""
    store = ManifestStore(options.manifests)
    data_root = options.data or store.open().data_root
    other = open_other(options.other, data_root=options.other_data)
    with lineage_log(store, options.database_url, data_root) as log:
        try:
            merged = merge(
                store,
                other,
                ancestor=common_ancestor(store, other),
                prefer=options.prefer,
                log=log,
                data_root=data_root,
            )
        except MergeConflicts as error:
            _list_conflicts(error.conflicts)
            raise
    _print_merge(merged, options.prefer)
    print(merged.manifest.path)


def _print_merge(merged: Merged, prefer: str | None) -> None:
    plan, ancestor = merged.plan, merged.ancestor
    print(f"common ancestor: {f'v{ancestor.version}' if ancestor else 'none'}")
    print(f"{len(plan.added):,} samples added, {plan.known:,} known on both sides")
    print(f"{len(plan.taken):,} of these take the row from there")
    if plan.conflicts:
        _list_conflicts(plan.conflicts)
        print(f"{len(plan.conflicts):,} conflict(s) settled by --prefer {prefer}")
    if plan.dropped:
        print(f"{plan.dropped:,} dropped here since the common ancestor, and left out")
    for where, moved in (("from here", merged.moved_ours), ("from there", merged.moved_theirs)):
        for line in _moved_lines(moved):
            print(f"samples {where} whose split changes: {line}")
    if any(before == "train" for before, _ in [*merged.moved_ours, *merged.moved_theirs]):
        print("networks fitted before have seen samples that are held out now: fit again before you measure")


def _list_conflicts(conflicts: Sequence[Conflict]) -> None:
    for conflict in conflicts[:CONFLICTS_PRINTED]:
        print(conflict)
    if len(conflicts) > CONFLICTS_PRINTED:
        print(f"... and {len(conflicts) - CONFLICTS_PRINTED:,} more")


def _moved_lines(moved: Counter[Move]) -> list[str]:
    return [f"{count:,} from {before} to {after}" for (before, after), count in moved.items()]
