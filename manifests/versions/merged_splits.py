"""Groups and splits when two lineages become one: look-alikes share a group, and what was held out stays held out.

Each lineage has groups of its own. Two of them become one where the lineages share a sample or a source image, or
where a row that is new here looks like a row that was here; then those that have look-alikes in another split by now.
A group that came together so has the split of its part that is held out the most: test before val before train. So
nothing that was measured on, here or there, is ever trained on; what was trained on may become held out, and whoever
merges is told how many rows did.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from manifests.samples.duplicates import MAX_HAMMING_DISTANCE, Hashes
from manifests.samples.near_duplicates import Indices, NearHashes, across_splits, hashes_of

SPLITS = ("train", "val", "test")  # the later, the more held out
COLUMNS = ("sample_id", "source_sha256", "phash", "group_id", "split")

Move = tuple[str, str]  # split before, split after


@dataclass(frozen=True, slots=True)
class JoinedGroups:
    """`group_id` and `split` of every row here and then of every row there, in their order."""

    group_ids: pa.Array
    splits: pa.Array


def join_groups(ours: pa.Table, theirs: pa.Table) -> JoinedGroups:
    """The groups of two tables with COLUMNS, put together."""
    ours, theirs = ours.select(COLUMNS).combine_chunks(), theirs.select(COLUMNS).combine_chunks()
    encoded = pa.concat_tables([ours, theirs])["group_id"].combine_chunks().dictionary_encode()
    group_of = encoded.indices.to_numpy().astype(np.int64)  # of each row; numbered by their first row
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
    while crossing := across_splits(hashes, held_out[chosen]):  # a group that moved may have left look-alikes behind
        one, other = np.array(crossing).T
        left, right = np.append(left, group_of[one]), np.append(right, group_of[other])
        chosen = _representatives(left, right, held_out)[group_of]
    return JoinedGroups(encoded.dictionary.take(pa.array(chosen)), pa.array(SPLITS).take(pa.array(held_out[chosen])))


def moves(before: pa.ChunkedArray, after: pa.ChunkedArray) -> Counter[Move]:
    """How many rows went from which split to which other one."""
    counted = Counter(zip(before.to_pylist(), after.to_pylist(), strict=True))
    return Counter({move: count for move, count in sorted(counted.items()) if move[0] != move[1]})


def _links(ours: pa.ChunkedArray, theirs: pa.ChunkedArray) -> tuple[Indices, Indices]:
    """Row numbers here and there that have the same value."""
    found = pc.index_in(theirs, value_set=ours.combine_chunks())
    return _row_numbers(found.drop_null()), _row_numbers(pc.indices_nonzero(pc.is_valid(found)))


def _look_alikes(ours: pa.Table, theirs: pa.Table) -> tuple[Indices, Indices]:
    """Row numbers of all pairs of a row here and one that is new, with hashes within the limit."""
    known = pc.is_in(theirs["sample_id"], value_set=ours["sample_id"].combine_chunks())
    new = _row_numbers(pc.indices_nonzero(pc.invert(known)))
    hashes, new_hashes = _hashes(ours["phash"]), _hashes(theirs["phash"].take(pa.array(new)))
    rows, here, _ = NearHashes(hashes, MAX_HAMMING_DISTANCE).pairs(new_hashes)
    return here, new[rows]


def _held_out(ours: pa.Table, theirs: pa.Table, group_of: Indices, groups: int) -> Indices:
    """Of each group its place in SPLITS; the most held out one where the lineages differ."""
    splits = pa.chunked_array([*ours["split"].chunks, *theirs["split"].chunks], pa.string())
    held_out = np.zeros(groups, np.int64)
    np.maximum.at(held_out, group_of, _row_numbers(pc.index_in(splits, value_set=pa.array(SPLITS))))
    return held_out


def _representatives(left: Indices, right: Indices, held_out: Indices) -> Indices:
    """For each group the one whose id and split those linked with it get: the most held out, of these the earliest."""
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
