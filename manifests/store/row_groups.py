"""A version's rows in its file, written and read a row group at a time: memory doesn't limit their number."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.store.file_metadata import METADATA_KEY
from manifests.store.row_patch import in_parts
from manifests.store.schema import PART_ROWS, SCHEMA
from manifests.store.validation import Validation

BY_POLICY = "accepted by policy"  # key of the counts: how many of the accepted rows

_REPEATING = (  # columns of few distinct values: stored with a dictionary
    "source", "license", "attribution", "width", "height", "origin", "teacher", "components", "holes", "split",
    "status", "reason", "reviewers.list.element", "votes_accept", "votes_reject", "decided_by",
    "rival_teacher", "added_in",
)  # fmt: skip
_WITHOUT_STATISTICS = (  # digests span the whole range in every row group
    "sample_id", "source_uri", "source_sha256", "image", "image_sha256", "mask", "mask_sha256", "phash", "group_id",
    "rival_mask_sha256",
)  # fmt: skip


def write_rows(parts: Iterable[pa.Table], path: Path, stamp: Mapping[str, Any]) -> None:
    """Write the rows and the metadata (`stamp` and the counts); ManifestInvalid when a row breaks the schema.

    A thread encodes one row group while the next is read and validated.
    """
    validation = Validation()
    counts: Counter[str] = Counter()
    by_policy = 0
    with _writer(path) as writer, ThreadPoolExecutor(1) as executor:
        written: Future[None] | None = None
        for part in _checked(parts, validation):
            counts += _counts(part)
            by_policy += part.num_rows - part["decided_by"].null_count
            if written:
                written.result()
            written = executor.submit(writer.write_table, part)
        if written:
            written.result()
        validation.finish()
        unseen = {BY_POLICY: by_policy} if by_policy else {}
        metadata = {**stamp, "counts": {"rows": counts.total(), **counts, **unseen}}
        writer.add_key_value_metadata({METADATA_KEY: json.dumps(metadata).encode()})


def may_hold(group: pq.RowGroupMetaData, only: Mapping[str, str]) -> bool:
    """Whether a row group's statistics admit rows with the values `only` (column -> value)."""
    for column in map(group.column, range(group.num_columns)):
        value, statistics = only.get(column.path_in_schema), column.statistics
        known = value is not None and statistics is not None and statistics.has_min_max
        if known and not statistics.min <= value <= statistics.max:
            return False
    return True


def together(parts: Iterable[pa.Table], columns: Sequence[str]) -> pa.Table:
    """The parts as one table; without parts, an empty one with those columns."""
    tables = list(parts)
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table().select(list(columns))


def _writer(path: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        SCHEMA,
        compression="zstd",
        write_page_checksum=True,  # to detect flipped bits
        use_dictionary=_REPEATING,
        write_statistics=[name for name in SCHEMA.names if name not in _WITHOUT_STATISTICS],
        store_schema=False,  # else the metadata must be complete before the rows
    )


def _checked(parts: Iterable[pa.Table], validation: Validation) -> Iterator[pa.Table]:
    """The parts as row groups, with columns in the schema's order; ends at the first that breaks a rule."""
    parts = iter(parts)
    first = next(parts, SCHEMA.empty_table())
    validation.check(first.slice(0, 0))  # the columns, also without rows
    for part in in_parts(chain([first], parts), PART_ROWS):
        if validation.check(part):
            yield part.select(SCHEMA.names).cast(SCHEMA)


def _counts(part: pa.Table) -> Counter[str]:
    counts = pc.value_counts(part["status"].combine_chunks()).to_pylist()
    return Counter({entry["values"]: entry["counts"] for entry in counts})
