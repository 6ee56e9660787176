"""Groups and splits of two merged lineages: look-alikes share a group, and held-out samples stay held out.

Each lineage has its own groups. Two of them become one when the lineages share a sample or a source image, or when a
row that is new here looks like a row from here; then those that now have look-alikes in another split. A joined group
has the most held-out split of its parts: test before val before train. So no sample that was held out, here or there,
is ever trained on; trained samples may become held out, and the merge prints how many did.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from manifests.samples.duplicates import MAX_HAMMING_DISTANCE
from manifests.samples.near_duplicates import across_splits, hashes_of
from manifests.samples.near_pairs import Hashes, Indices, near_pairs

SPLITS = ("train", "val", "test")  # the later, the more held out
COLUMNS = ("sample_id", "source_sha256", "phash", "group_id", "split")

Move = tuple[str, str]  # split before, split after


@dataclass(frozen=True, slots=True)
class JoinedGroups:
    """`group_id` and `split` of every row of ours, then of theirs, in order."""

    group_ids: pa.Array
    splits: pa.Array


def join_groups(ours: pa.Table, theirs: pa.Table) -> JoinedGroups:
    """Join the groups of two tables with COLUMNS."""
    ours, theirs = ours.select(COLUMNS).combine_chunks(), theirs.select(COLUMNS).combine_chunks()
    encoded = pa.concat_tables([ours, theirs])["group_id"].combine_chunks().dictionary_encode()
    group_of = encoded.indices.to_numpy().astype(np.int64)  # each row's group, numbered by first row
    ours_of, theirs_of = group_of[: ours.num_rows], group_of[ours.num_rows :]
    links = [
        _links(ours["sample_id"], theirs["sample_id"]),
        _links(ours["source_sha256"], theirs["source_sha256"]),
        _look_alikes(ours, theirs),
    ]
    here, there = (np.concatenate([pair[side] for pair in links]) for side in (0, 1))
    held_out = _held_out(ours, theirs, group_of, len(encoded.dictionary))
    left, right = ours_of[here], theirs_of[there]
    chosen = _representatives(left, right, held_out)[group_of]
    hashes = np.concatenate([_hashes(ours["phash"]), _hashes(theirs["phash"])])
    while crossing := across_splits(hashes, held_out[chosen]):  # a moved group may have look-alikes in its old split
        one, other = np.array(crossing).T
        left, right = np.append(left, group_of[one]), np.append(right, group_of[other])
        chosen = _representatives(left, right, held_out)[group_of]
    return JoinedGroups(encoded.dictionary.take(pa.array(chosen)), pa.array(SPLITS).take(pa.array(held_out[chosen])))


def moves(before: pa.ChunkedArray, after: pa.ChunkedArray) -> Counter[Move]:
    """Counts of rows that changed their split."""
    counts = Counter(zip(before.to_pylist(), after.to_pylist(), strict=True))
    return Counter({move: count for move, count in sorted(counts.items()) if move[0] != move[1]})


def _links(ours: pa.ChunkedArray, theirs: pa.ChunkedArray) -> tuple[Indices, Indices]:
    """Row numbers of ours and theirs with the same value."""
    places = pc.index_in(theirs, value_set=ours.combine_chunks())
    return _row_numbers(places.drop_null()), _row_numbers(pc.indices_nonzero(pc.is_valid(places)))


def _look_alikes(ours: pa.Table, theirs: pa.Table) -> tuple[Indices, Indices]:
    """Row numbers of look-alikes of ours and new rows of theirs: enough pairs to join all that the others would."""
    known = pc.is_in(theirs["sample_id"], value_set=ours["sample_id"].combine_chunks())
    new = _row_numbers(pc.indices_nonzero(pc.invert(known)))
    hashes, first, which = np.unique(_hashes(ours["phash"]), return_index=True, return_inverse=True)
    new_hashes = _hashes(theirs["phash"].take(pa.array(new)))
    new_hashes, new_first, new_which = np.unique(new_hashes, return_index=True, return_inverse=True)
    pairs = near_pairs(hashes, new_hashes, MAX_HAMMING_DISTANCE)
    here, there = first[pairs.left], new[new_first[pairs.right]]
    of_one, to_one = _rows_beside(which, pairs.left, there)  # every row of ours with a near hash
    by_one, from_one = _rows_beside(new_which, pairs.right, here)
    return np.concatenate([here, of_one, from_one]), np.concatenate([there, to_one, new[by_one]])


def _rows_beside(which: Indices, near: Indices, rows: Indices) -> tuple[Indices, Indices]:
    """The places in `which` whose value is one of `near`, and for each the one of `rows` beside that value."""
    values, first = np.unique(near, return_index=True)
    places = np.flatnonzero(np.isin(which, values))
    return places, rows[first[np.searchsorted(values, which[places])]]


def _held_out(ours: pa.Table, theirs: pa.Table, group_of: Indices, groups: int) -> Indices:
    """Each group's place in SPLITS; the most held-out one when the lineages differ."""
    splits = pa.chunked_array([*ours["split"].chunks, *theirs["split"].chunks], pa.string())
    held_out = np.zeros(groups, np.int64)
    np.maximum.at(held_out, group_of, _row_numbers(pc.index_in(splits, value_set=pa.array(SPLITS))))
    return held_out


def _representatives(left: Indices, right: Indices, held_out: Indices) -> Indices:
    """For each group, the linked group whose id and split it takes: the most held-out one, of these the earliest."""
    size = len(held_out)
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    order = np.lexsort((np.arange(size), -held_out, component))
    _, first = np.unique(component[order], return_index=True)
    representatives: Indices = order[first][component]
    return representatives


def _hashes(phashes: pa.ChunkedArray) -> Hashes:
    return hashes_of(phashes.to_pylist())


def _row_numbers(values: pa.ChunkedArray | pa.Array) -> Indices:
    numbers: Indices = values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy()
    return numbers.astype(np.int64)
