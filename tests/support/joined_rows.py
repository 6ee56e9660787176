"""A dataset in memory, with new rows joined to it."""

from collections.abc import Iterable

import pyarrow as pa

from manifests.samples.sample import Row, add_rows
from manifests.store.schema import SCHEMA


def join_dataset(rows: Iterable[Row], dataset: pa.Table | None, *, version: int) -> pa.Table | None:
    """`dataset` plus the rows that `add_rows` adds; None when no row is new."""
    changes = add_rows(rows, [dataset] if dataset is not None else [], version=version).patch
    present = dataset if dataset is not None else SCHEMA.empty_table()
    return pa.concat_tables([present.cast(SCHEMA), changes.added]) if changes else None
