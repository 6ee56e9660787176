"""`python -m manifests restore V` and `python -m manifests merge OTHER`."""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from manifests.decisions.log import DecisionLog, existing_log, sqlite_url
from manifests.errors import UserError
from manifests.store.manifest import ManifestStore
from manifests.store.version_spec import open_version
from manifests.versions.lineages import common_ancestor, open_other
from manifests.versions.merge import PREFERENCES, Conflict, MergeConflicts, Merged, merge
from manifests.versions.merged_splits import Move
from manifests.versions.restore import Restored, restore

CONFLICTS_PRINTED = 20

_Add = Callable[..., argparse.ArgumentParser]


def add_restore(add: _Add) -> None:
    """Register the command; `add(name, run)` makes its parser, with --manifests and --data, as __main__ does."""
    parser = add("restore", restore_version)
    parser.add_argument("version", metavar="V", help="3, v3 or its path")
    parser.add_argument(
        "--take-back", action="store_true", help="undo in the decision log the verdicts that came after V"
    )
    _add_database_url(parser)


def add_merge(add: _Add) -> None:
    """Register the command, as `add_restore`."""
    parser = add("merge", merge_lineage)
    parser.add_argument("other", type=Path, metavar="OTHER", help="another manifests directory, or a version in one")
    parser.add_argument(
        "--into", dest="manifests", type=Path, default=argparse.SUPPRESS, help="the same as --manifests"
    )
    parser.add_argument("--other-data", type=Path, help="data root of OTHER, by default the one it records")
    parser.add_argument(
        "--prefer", choices=PREFERENCES, help="whose row is right in a conflict (default: conflicts are listed)"
    )
    _add_database_url(parser)


def restore_version(options: argparse.Namespace) -> None:
    """Make a new version whose rows are those of an older one; nothing is rewritten."""
    store = ManifestStore(options.manifests)
    old = open_version(options.version, manifests=options.manifests, data_root=options.data)
    with _log(store, options.database_url, options.data or store.open().data_root) as log:
        restored = restore(store, old, log, take_back=options.take_back)
    print(restored.undone)
    _tell_later_verdicts(restored, old.version, taken_back=options.take_back)
    print(restored.manifest.path)


def merge_lineage(options: argparse.Namespace) -> None:
    """Merge the rows of another lineage, blobs included, into the next version; conflicts are listed."""
    store = ManifestStore(options.manifests)
    data_root = options.data or store.open().data_root
    other = open_other(options.other, data_root=options.other_data)
    with _log(store, options.database_url, data_root) as log:
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
    _tell_merge(merged, options.prefer)
    print(merged.manifest.path)


def _add_database_url(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--database-url", help="decision log; default: SQLite under the data root")


@contextmanager
def _log(store: ManifestStore, database_url: str | None, data_root: Path) -> Iterator[DecisionLog | None]:
    """The decision log, None where nobody reviewed yet; UserError when reviews were published and it isn't found."""
    log = existing_log(database_url, data_root)
    if log is None and any(manifest.operation == "review" for manifest in store.history()):
        raise UserError(
            f"expected the decision log {sqlite_url(data_root)}, found none, though reviews were published: the next "
            "publish depends on it; pass --database-url"
        )
    try:
        yield log
    finally:
        if log is not None:
            log.close()


def _tell_later_verdicts(restored: Restored, version: int, *, taken_back: bool) -> None:
    masks = len({decision.key for decision in restored.later})
    if not masks:
        return
    told = f"\n{len(restored.later):,} verdict(s) on {masks:,} of these masks came after v{version}: "
    told += "taken back, the masks wait for review again" if taken_back else "the next publish applies them again"
    print(told if taken_back else f"{told} (--take-back undoes them)")


def _tell_merge(merged: Merged, prefer: str | None) -> None:
    plan, ancestor = merged.plan, merged.ancestor
    print(f"common ancestor: {f'v{ancestor.version}' if ancestor else 'none'}")
    print(f"{len(plan.added):,} samples added, {plan.known:,} known on both sides")
    print(f"{len(plan.taken):,} of these are now as they are there")
    if plan.conflicts:
        _list_conflicts(plan.conflicts)
        print(f"{len(plan.conflicts):,} conflict(s) settled by --prefer {prefer}")
    if plan.dropped:
        print(f"{plan.dropped:,} dropped here since the common ancestor, and left out")
    for where, moved in (("from here", merged.moved_ours), ("from there", merged.moved_theirs)):
        for line in _moved_lines(moved):
            print(f"samples {where} whose split changes: {line}")
    if any(before == "train" for before, _ in [*merged.moved_ours, *merged.moved_theirs]):
        print("networks fitted before have seen some of what is held out now: fit again before you measure")


def _list_conflicts(conflicts: Sequence[Conflict]) -> None:
    for conflict in conflicts[:CONFLICTS_PRINTED]:
        print(conflict)
    if len(conflicts) > CONFLICTS_PRINTED:
        print(f"... and {len(conflicts) - CONFLICTS_PRINTED:,} more")


def _moved_lines(moved: Counter[Move]) -> list[str]:
    return [f"{count:,} from {before} to {after}" for (before, after), count in moved.items()]
