"""Diff: the changes of rows between two versions, as tables, as text and as an image.

Rows are matched by `sample_id`. A row of both versions is *re-decided* when its status differs and *re-labelled* when
its mask does; a new mask waits for review again, so a row is often both. Four columns of each version are read, without
Python objects: a version appends to its parent, so almost all rows keep their place and only the rest are looked up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.decisions.pairs import count_pairs
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.contact_sheet import contact_sheet
from manifests.pixels.geometry import Pixels
from manifests.samples.pair import read_pair
from manifests.store.manifest import Manifest

_COLUMNS = ["sample_id", "source", "status", "mask_sha256"]
_PIXELS = ["sample_id", "status", "image", "image_sha256", "mask", "mask_sha256"]
_PAIRS_A_ROW = 4  # of the sheet


@dataclass(frozen=True, slots=True)
class Diff:
    """The rows that differ between two versions: a table for each kind, in the version's order.

    `added` and `removed` have sample_id, source, status and mask_sha256. `redecided` and `relabelled` have sample_id,
    source, old_status, status, old_mask_sha256 and mask_sha256; a row can be in both. `totals` has source, status and
    the number of rows, `before` and `after`.
    """

    old: str
    new: str
    totals: pa.Table
    added: pa.Table
    removed: pa.Table
    redecided: pa.Table
    relabelled: pa.Table
    both: int  # re-decided and re-labelled rows
    unchanged: int
    pairs: tuple[int, int] = (0, 0)  # rows with two masks to choose from, before and after

    @property
    def changed(self) -> list[str]:
        """Sample ids of re-labelled, then of other re-decided rows."""
        only_redecided = _without(self.redecided, self.relabelled)
        return [*self.relabelled["sample_id"].to_pylist(), *only_redecided["sample_id"].to_pylist()]

    def __str__(self) -> str:
        before, after = (pc.sum(self.totals[when]).as_py() or 0 for when in ("before", "after"))
        heads = [
            f"{self.old} -> {self.new}: {before:,} -> {after:,} rows",
            f"{self.added.num_rows:,} added, {self.removed.num_rows:,} removed, {self.redecided.num_rows:,} re-decided"
            f", {self.relabelled.num_rows:,} re-labelled ({self.both:,} of them both), {self.unchanged:,} unchanged",
        ]
        if any(self.pairs):
            heads.append("rows with two masks to choose from: {:,} -> {:,}".format(*self.pairs))
        change = pc.subtract(self.totals["after"], self.totals["before"])
        moves = ["source", "old_status", "status"]
        kinds = [
            ("rows added", self.added, moves[::2]),
            ("rows removed", self.removed, moves[::2]),
            ("rows re-decided", self.redecided, moves),
            ("rows re-labelled", self.relabelled, moves),
        ]
        tables = [_text(title, _count(rows, by)) for title, rows, by in kinds if rows.num_rows]
        totals = _text("rows by source and status", self.totals.append_column("change", change))
        return "\n\n".join(["\n".join(heads), totals, *tables])


def diff(old: Manifest, new: Manifest) -> Diff:
    """Compare two versions; UserError when one of the files is damaged."""
    before, after = old.read(_COLUMNS), new.read(_COLUMNS)
    common = min(before.num_rows, after.num_rows)
    old_head, new_head = before.slice(0, common), after.slice(0, common)
    in_place = pc.equal(old_head["sample_id"], new_head["sample_id"])
    elsewhere = pc.invert(in_place)
    old_rest = pa.concat_tables([old_head.filter(elsewhere), before.slice(common)])
    new_rest = pa.concat_tables([new_head.filter(elsewhere), after.slice(common)])
    old_places = pc.index_in(new_rest["sample_id"], value_set=old_rest["sample_id"].combine_chunks())
    kept = old_places.drop_null()
    removed = np.ones(old_rest.num_rows, bool)
    removed[kept.to_numpy()] = False
    changed = pa.concat_tables(
        [
            _changed(old_head, new_head, among=in_place),
            _changed(old_rest.take(kept), new_rest.filter(pc.is_valid(old_places))),
        ]
    )
    redecided = pc.not_equal(changed["old_status"], changed["status"])
    relabelled = pc.not_equal(changed["old_mask_sha256"], changed["mask_sha256"])
    added = new_rest.filter(pc.is_null(old_places))
    return Diff(
        old=str(old.path),
        new=str(new.path),
        totals=_totals(before, after),
        added=added,
        removed=old_rest.filter(pa.array(removed)),
        redecided=changed.filter(redecided),
        relabelled=changed.filter(relabelled),
        both=int(pc.sum(pc.and_(redecided, relabelled)).as_py() or 0),
        unchanged=after.num_rows - added.num_rows - changed.num_rows,
        pairs=(count_pairs(old), count_pairs(new)),
    )


def draw_changes(changes: Diff, old: Manifest, new: Manifest, *, limit: int) -> Pixels:
    """An RGB sheet of at most `limit` changed samples, evenly spread: re-labelled ones with the old mask and then the
    new one, then the re-decided ones, whose mask is the same, once each.

    UserError when no sample of both versions changed its mask or status, or when a blob is missing or altered.
    """
    ids = changes.changed
    if not ids:
        raise UserError(
            f"expected samples whose mask or status differs between {changes.old} and {changes.new}, found none; "
            "omit --sheet"
        )
    step = -(-len(ids) // limit)
    drawn_ids = ids[::step]
    before, after = (_drawable(manifest, drawn_ids) for manifest in (old, new))
    relabelled = set(changes.relabelled["sample_id"].to_pylist())
    tiles, captions = [], []
    for sample_id in drawn_ids:
        rgb, mask, old_status = before[sample_id]
        _rgb, new_mask, status = after[sample_id]
        if sample_id in relabelled:
            tiles += [(rgb, mask), (rgb, new_mask)]
            captions += [f"v{old.version} {old_status}", f"v{new.version} {status}"]
        else:
            tiles.append((rgb, mask))
            captions.append(f"{old_status} > {status}")
    return contact_sheet(tiles, columns=2 * _PAIRS_A_ROW, captions=captions)


def _changed(old: pa.Table, new: pa.Table, *, among: pa.ChunkedArray | None = None) -> pa.Table:
    """The rows of two tables of the same samples whose status or mask differs; only those `among`, if given."""
    differ = pc.or_(*(pc.not_equal(old[name], new[name]) for name in ("status", "mask_sha256")))
    rows = differ if among is None else pc.and_(differ, among)
    was, now = old.filter(rows), new.filter(rows)
    return pa.table(
        {
            "sample_id": now["sample_id"],
            "source": now["source"],
            "old_status": was["status"],
            "status": now["status"],
            "old_mask_sha256": was["mask_sha256"],
            "mask_sha256": now["mask_sha256"],
        }
    )


def _totals(before: pa.Table, after: pa.Table) -> pa.Table:
    by = ["source", "status"]
    old, new = (_count(table, by).rename_columns([*by, name]) for table, name in ((before, "before"), (after, "after")))
    joined = old.join(new, keys=by, join_type="full outer")
    for name in ("before", "after"):
        filled = pc.fill_null(joined[name], 0)
        joined = joined.set_column(joined.column_names.index(name), name, filled)
    return joined.sort_by([(name, "ascending") for name in by])


def _count(rows: pa.Table, by: Sequence[str]) -> pa.Table:
    """The number of rows for each combination of the columns `by`, sorted by those."""
    counts = rows.group_by(list(by), use_threads=False).aggregate([([], "count_all")])
    return counts.rename_columns([*by, "rows"]).sort_by([(name, "ascending") for name in by])


def _text(title: str, table: pa.Table) -> str:
    return f"{title}\n{table.to_pandas().to_string(index=False)}"


def _without(rows: pa.Table, others: pa.Table) -> pa.Table:
    return rows.filter(pc.invert(pc.is_in(rows["sample_id"], value_set=others["sample_id"].combine_chunks())))


def _drawable(manifest: Manifest, ids: Sequence[str]) -> dict[str, tuple[Pixels, Pixels, str]]:
    """RGB (H, W, 3), mask (H, W) and status of each sample in this version."""
    blobs = BlobStore(manifest.data_root)
    table = manifest.read(_PIXELS)
    rows = table.filter(pc.is_in(table["sample_id"], value_set=pa.array(ids, pa.string()))).to_pylist()
    return {row["sample_id"]: (*read_pair(blobs, row), row["status"]) for row in rows}
