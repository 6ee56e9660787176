"""A version's rows in its file: written and read a row group at a time, so that any number of them fits into memory."""

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

from manifests.store.row_patch import in_parts
from manifests.store.schema import PART_ROWS, SCHEMA, Validation

METADATA_KEY = b"maskfoundry"

_REPEATING = (  # columns of few different values: the file holds each value once, and numbers
    "source", "license", "attribution", "width", "height", "origin", "teacher", "components", "holes", "split",
    "status", "reason", "reviewers.list.element", "votes_accept", "votes_reject", "added_in",
)  # fmt: skip
_WITHOUT_STATISTICS = (  # digests: they go from 0 to f in every row group
    "sample_id", "source_uri", "source_sha256", "image", "image_sha256", "mask", "mask_sha256", "phash", "group_id",
)  # fmt: skip


def write_rows(parts: Iterable[pa.Table], path: Path, stamp: Mapping[str, Any]) -> None:
    """Write the rows and the metadata, `stamp` and the counts; ManifestInvalid when a row breaks the schema.

    A thread encodes one row group while the next one is read and validated.
    """
    validation = Validation()
    counts: Counter[str] = Counter()
    with _writer(path) as writer, ThreadPoolExecutor(1) as executor:
        written: Future[None] | None = None
        for part in _checked(parts, validation):
            counts += _counts(part)
            if written:
                written.result()
            written = executor.submit(writer.write_table, part)
        if written:
            written.result()
        validation.finish()
        metadata = {**stamp, "counts": {"rows": counts.total(), **counts}}
        writer.add_key_value_metadata({METADATA_KEY: json.dumps(metadata).encode()})


def may_hold(group: pq.RowGroupMetaData, only: Mapping[str, str]) -> bool:
    """Whether a row group may hold rows with these values in these columns, by its statistics."""
    for column in map(group.column, range(group.num_columns)):
        value, statistics = only.get(column.path_in_schema), column.statistics
        known = value is not None and statistics is not None and statistics.has_min_max
        if known and not statistics.min <= value <= statistics.max:
            return False
    return True


def together(parts: Iterable[pa.Table], columns: Sequence[str]) -> pa.Table:
    """The parts as one table; without any, an empty one of those columns."""
    found = list(parts)
    return pa.concat_tables(found) if found else SCHEMA.empty_table().select(list(columns))


def _writer(path: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        SCHEMA,
        compression="zstd",
        write_page_checksum=True,  # a flipped bit must not go unseen
        use_dictionary=_REPEATING,
        write_statistics=[name for name in SCHEMA.names if name not in _WITHOUT_STATISTICS],
        store_schema=False,  # else the metadata would have to be known before the rows
    )


def _checked(parts: Iterable[pa.Table], validation: Validation) -> Iterator[pa.Table]:
    """The parts in the schema's order of columns, as row groups; none from the first that breaks a rule on."""
    parts = iter(parts)
    first = next(parts, SCHEMA.empty_table())
    validation.check(first.slice(0, 0))  # its columns, if there are no rows
    for part in in_parts(chain([first], parts), PART_ROWS):
        if validation.check(part):
            yield part.select(SCHEMA.names).cast(SCHEMA)


def _counts(part: pa.Table) -> Counter[str]:
    counted = pc.value_counts(part["status"].combine_chunks()).to_pylist()
    return Counter({entry["values"]: entry["counts"] for entry in counted})
