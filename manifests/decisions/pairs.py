"""Pairs: rows with two masks of one sample, the row's own and a rival's, of which a reviewer accepts one."""

import pyarrow as pa
import pyarrow.compute as pc

from manifests.store.manifest import Manifest

PAIR_COLUMNS = ("rival_mask_sha256", "chosen_by", "origin", "status")


def waits_for_choice(table: pa.Table) -> pa.ChunkedArray:
    """Which rows (with PAIR_COLUMNS) have two masks to choose from: undecided ones, neither repaired nor chosen yet.

    In a decided row the rival is the mask that was not taken.
    """
    # A regular expression, as pyarrow imports pandas, half a second, to compare with a Python string.
    undecided = pc.match_substring_regex(table["status"], "^(pending|conflict)$")
    repaired = pc.match_substring_regex(table["origin"], "^edited$")
    fresh = pc.and_(pc.is_null(table["chosen_by"]), pc.invert(repaired))
    return pc.and_(pc.is_valid(table["rival_mask_sha256"]), pc.and_(undecided, fresh))


def count_pairs(manifest: Manifest) -> int:
    """The number of a version's rows with two masks to choose from."""
    rivals = manifest.read(["rival_mask_sha256"])["rival_mask_sha256"]
    if rivals.null_count == len(rivals):  # as in most versions: the other columns needn't be read
        return 0
    return int(pc.sum(waits_for_choice(manifest.read(PAIR_COLUMNS))).as_py() or 0)
