"""Merge: the rows of another lineage, with its own data root, into the next version of this one.

A row of the result is entirely the one from here or the one from there, except its group and split, which are those of
the joined lineages (merged_splits.py), and `added_in`.

- A sample that is new here is added, after the rows from here, in the order it has there. One that was dropped here
  since the common ancestor (by a restore, for example) stays dropped. No row from here is removed.
- A sample with the same mask on both sides is one row. A verdict beats no verdict; a row that only one side changed
  since the common ancestor is that side's.
- A sample with the same mask on both sides that waits on both takes the rival from there if it has none here.
- A sample with another mask there, or with the same mask and another verdict, is a conflict, unless only one side
  changed it. `prefer` settles conflicts: `ours`, `theirs`, or `newest`, the one with the later verdict (a verdict is
  newer than none; of equals ours). Without `prefer` a merge with conflicts writes nothing.

A sample that was forgotten on either side is left out, with a warning.

Blobs are copied first, each checked against its digest and written whole; then the version is committed. A failed merge
leaves at most blobs that `gc` collects.

Decisions stay in the log of their own lineage. The next `publish` would undo a verdict from there on a mask on which
this log has votes, so it is written to this log: as a second look, by a reviewer such as `ann (merge)`, which decides
alone, or, where reviewers there disagree, as a flag, which requests a second look here.
"""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.decisions.log import DecisionLog
from manifests.decisions.log_parts import MERGE_LINEAGE, finish_interrupted, merged_verdicts, part_to_write
from manifests.errors import UserError
from manifests.files.blobs import BLOB_SUFFIXES, BlobError, BlobStore
from manifests.files.tombstones import Tombstones
from manifests.progress import progress
from manifests.samples.sample import Row
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA
from manifests.store.validation import validate
from manifests.versions.merged_splits import Move, join_groups, moves
from manifests.versions.restore import blobs_of, require_blobs

Prefer = Literal["ours", "theirs", "newest"]
PREFERENCES: tuple[Prefer, ...] = get_args(Prefer)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A sample whose mask, or verdict on the same mask, differs after changes on both sides."""

    sample_id: str
    ours: Row  # status, mask_sha256
    theirs: Row

    def __str__(self) -> str:
        if self.ours["mask_sha256"] == self.theirs["mask_sha256"]:
            return f"sample {self.sample_id}: {self.ours['status']} here, {self.theirs['status']} there"
        here, there = (f"{row['status']} mask {row['mask_sha256'][:12]}" for row in (self.ours, self.theirs))
        return f"sample {self.sample_id}: {here} here, {there} there"


class MergeConflicts(UserError):
    """The lineages contradict each other, and `prefer` isn't given."""

    def __init__(self, conflicts: Sequence[Conflict], where: str) -> None:
        masks = sum(conflict.ours["mask_sha256"] != conflict.theirs["mask_sha256"] for conflict in conflicts)
        super().__init__(
            f"expected {where} to agree, found {len(conflicts):,} conflict(s), {masks:,} with another mask and "
            f"{len(conflicts) - masks:,} with another verdict; settle them with --prefer ours, theirs or newest"
        )
        self.conflicts = conflicts


@dataclass(frozen=True, slots=True)
class Plan:
    """Row numbers: `added` and `taken` of theirs, and `replaced` of ours, one for each taken."""

    added: np.ndarray
    taken: np.ndarray
    replaced: np.ndarray
    known: int  # samples on both sides
    dropped: int  # samples of theirs that were dropped here and stay dropped
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """The result of a merge. `moved_ours` and `moved_theirs` count rows by their split before and after."""

    manifest: Manifest
    ancestor: Manifest | None
    plan: Plan
    moved_ours: Counter[Move]
    moved_theirs: Counter[Move]


def merge(
    store: ManifestStore,
    other: Manifest,
    *,
    ancestor: Manifest | None = None,
    prefer: Prefer | None = None,
    log: DecisionLog | None = None,
    data_root: Path | None = None,
) -> Merged:
    """Commit the latest version of `store` merged with `other` as the next one; `log` is this lineage's decision log.

    MergeConflicts when they contradict each other and `prefer` isn't given. UserError when `other` has nothing new, or
    when blobs of its rows are missing or altered; CommitConflict when another writer commits meanwhile.
    """
    if log:
        finish_interrupted(store, log)
    latest = store.open()
    root = data_root or latest.data_root
    ours, theirs = latest.read(), _not_forgotten(other, root)
    validate(theirs)
    plan = plan_merge(ours, theirs, ancestor.read(["sample_id", "mask_sha256", "status"]) if ancestor else None, prefer)
    if plan.conflicts and prefer is None:
        raise MergeConflicts(plan.conflicts, f"{latest.path} and {other.path}")
    merged, moved = merged_rows(ours, theirs, plan, version=latest.version + 1)
    if merged.equals(ours.cast(SCHEMA)):
        store.sync()
        raise UserError(f"expected rows or verdicts that {latest.path} doesn't hold, found none in {other.path}")
    from_there = theirs.take(pa.array(np.concatenate([plan.taken, plan.added])))
    copy_blobs(BlobStore(other.data_root), BlobStore(root), from_there, whose=str(other.path))
    parameters = {
        "other": str(other.path),
        "other_version": other.version,
        "other_digest": other.digest,
        "ancestor": ancestor.version if ancestor else None,
        "prefer": prefer,
        "added": len(plan.added),
        "taken": len(plan.taken),
        "conflicts": len(plan.conflicts),
        "splits_moved": [[*move, count] for side in moved for move, count in side.items()],
    }
    verdicts = list(merged_verdicts(from_there, log, other.digest, now=datetime.now(UTC))) if log else []
    with part_to_write(log if verdicts else None, parameters) as connection:
        manifest = store.commit(
            merged, parent=latest.version, operation=MERGE_LINEAGE, parameters=parameters, data_root=root
        )
        if log and verdicts:
            log.append(verdicts, connection)
    return Merged(manifest, ancestor, plan, *moved)


def plan_merge(ours: pa.Table, theirs: pa.Table, ancestor: pa.Table | None, prefer: Prefer | None) -> Plan:
    """Select the rows of `theirs` to add or take, by the rules in the module's docstring."""
    place = pc.index_in(theirs["sample_id"], value_set=ours["sample_id"].combine_chunks())
    is_known = pc.is_valid(place)
    dropped = _flags(pc.and_(pc.invert(is_known), _among(theirs["sample_id"], ancestor)))
    added = np.flatnonzero(~_flags(is_known) & ~dropped)
    there = np.flatnonzero(_flags(is_known))
    here = place.drop_null().to_numpy().astype(np.int64)
    mine, yours = ours.take(pa.array(here)), theirs.take(pa.array(there))
    same_mask = _flags(pc.equal(mine["mask_sha256"], yours["mask_sha256"]))
    same_status = _flags(pc.equal(mine["status"], yours["status"]))
    undecided, undecided_there = (_flags(pc.equal(side["status"], "pending")) for side in (mine, yours))
    changed, changed_there = _changed(mine, ancestor), _changed(yours, ancestor)
    differs = ~same_mask | (~same_status & ~undecided_there)  # a verdict from here on the same mask is never lost
    only_there = differs & (~changed | (same_mask & undecided & changed_there))
    conflict = differs & changed & changed_there & ~only_there
    won_there = conflict & _preferred(mine, yours, prefer)
    gets_rival = same_mask & undecided & undecided_there & ~_has_rival(mine) & _has_rival(yours)
    take = np.flatnonzero(only_there | won_there | gets_rival)
    conflicts = tuple(
        Conflict(row["sample_id"], row, other)
        for row, other in zip(_summaries(mine, conflict), _summaries(yours, conflict), strict=True)
    )
    return Plan(added, there[take], here[take], len(there), int(dropped.sum()), conflicts)


def merged_rows(
    ours: pa.Table, theirs: pa.Table, plan: Plan, *, version: int
) -> tuple[pa.Table, tuple[Counter[Move], Counter[Move]]]:
    """The rows of the next version, and counts of rows from here and from there that change their split."""
    joined = join_groups(ours, theirs)
    places = np.arange(ours.num_rows + len(plan.added))  # in ours, then theirs
    places[plan.replaced] = ours.num_rows + plan.taken
    places[ours.num_rows :] = ours.num_rows + plan.added
    rows = pa.concat_tables([ours.cast(SCHEMA), theirs.cast(SCHEMA)]).take(pa.array(places))
    added_in = np.concatenate([ours["added_in"].to_numpy(), np.full(len(plan.added), version)]).astype(np.int32)
    for name, values in {
        "group_id": joined.group_ids.take(pa.array(places)),
        "split": joined.splits.take(pa.array(places)),
        "added_in": pa.array(added_in),
    }.items():
        rows = rows.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), values)
    after = rows["split"]
    moved = (
        moves(ours["split"], after.slice(0, ours.num_rows)),
        moves(theirs["split"].take(pa.array(plan.added)), after.slice(ours.num_rows)),
    )
    return rows.combine_chunks(), moved


def _not_forgotten(other: Manifest, root: Path) -> pa.Table:
    """The rows of `other` but for those that were forgotten there, or here under the data root `root`."""
    rows = Tombstones.read(other.data_root).leave_out(other.read(), str(other.path))
    here = Tombstones.read(root)
    if not here:
        return rows
    columns = rows.select(["sample_id", "source_uri", "source_sha256", "image_sha256"]).to_pylist()
    ids = frozenset(row["sample_id"] for row in columns if here.covers(row))
    return Tombstones(samples=ids).leave_out(rows, f"{other.path}, forgotten here")


def copy_blobs(source: BlobStore, target: BlobStore, rows: pa.Table, *, whose: str) -> None:
    """Copy the images, masks and rivals of `rows` to `target`; BlobError for the first that is missing or altered."""
    require_blobs(source, rows, whose)

    def copy(blob: tuple[str, str]) -> None:
        path, sha256 = blob
        suffix = Path(path).suffix
        if suffix not in BLOB_SUFFIXES:
            raise BlobError(f"expected blobs of {', '.join(BLOB_SUFFIXES)} in {whose}, found {path}")
        target.put(source.read(path, sha256), suffix)

    names = blobs_of(rows)
    with ThreadPoolExecutor() as threads:
        for _ in progress(threads.map(copy, sorted(names)), "copying blobs", total=len(names)):
            pass


def _has_rival(rows: pa.Table) -> np.ndarray:
    return _flags(pc.is_valid(rows["rival_mask_sha256"]))


def _changed(rows: pa.Table, ancestor: pa.Table | None) -> np.ndarray:
    """Which rows have another mask or status than in the ancestor; all of them without an ancestor."""
    if ancestor is None:
        return np.ones(rows.num_rows, bool)
    before = ancestor.take(pc.index_in(rows["sample_id"], value_set=ancestor["sample_id"].combine_chunks()))
    same = pc.and_(pc.equal(rows["mask_sha256"], before["mask_sha256"]), pc.equal(rows["status"], before["status"]))
    return ~_flags(pc.fill_null(same, False))


def _preferred(mine: pa.Table, yours: pa.Table, prefer: Prefer | None) -> np.ndarray:
    """In which rows `prefer` means theirs."""
    if prefer != "newest":
        return np.full(mine.num_rows, prefer == "theirs")
    never = pa.scalar(0, pa.timestamp("us", tz="UTC"))
    here, there = (pc.fill_null(side["decided_at"], never) for side in (mine, yours))
    return _flags(pc.greater(there, here))


def _among(ids: pa.ChunkedArray, table: pa.Table | None) -> pa.ChunkedArray:
    known = table["sample_id"].combine_chunks() if table is not None else pa.array([], pa.string())
    return pc.is_in(ids, value_set=known)


def _summaries(rows: pa.Table, which: np.ndarray) -> list[Row]:
    return rows.select(["sample_id", "status", "mask_sha256"]).filter(pa.array(which)).to_pylist()


def _flags(values: pa.ChunkedArray) -> np.ndarray:
    return values.to_numpy().astype(bool)
