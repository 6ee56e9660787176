"""The decision log and the activity log as tables, and as Parquet or CSV files."""

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from manifests.decisions.activity import Activity
from manifests.decisions.decision import Decision

DECISIONS_SCHEMA = pa.schema(
    [
        pa.field("decision_id", pa.string(), nullable=False),
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("mask_sha256", pa.string(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("decision_ms", pa.int32()),
        pa.field("reviewer", pa.string(), nullable=False),
        pa.field("decided_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("mode", pa.string(), nullable=False),
        pa.field("purpose", pa.string(), nullable=False),
        pa.field("edited_mask_sha256", pa.string()),
        pa.field("edit_iou", pa.float32()),
        pa.field("rival_mask_sha256", pa.string()),
        pa.field("chosen_mask_sha256", pa.string()),
        pa.field("note", pa.string()),
    ]
)
ACTIVITY_SCHEMA = pa.schema(
    [
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("actor", pa.string(), nullable=False),
        pa.field("address", pa.string(), nullable=False),
        pa.field("event", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)


def decisions_table(decisions: Sequence[Decision]) -> pa.Table:
    """One row per decision, in the order given; the columns are the fields of `Decision`."""
    return _table(decisions, DECISIONS_SCHEMA)


def activity_table(entries: Sequence[Activity]) -> pa.Table:
    """One row per entry of the activity log, in the order given; the columns are the fields of `Activity`."""
    return _table(entries, ACTIVITY_SCHEMA)


def as_parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def as_csv(table: pa.Table) -> bytes:
    """UTF-8 with a header line; times as ISO 8601 in UTC, absent values as empty fields.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    buffer = io.BytesIO()
    pa_csv.write_csv(_without_formulas(table), buffer)
    return buffer.getvalue()


def _table(rows: Sequence[Decision] | Sequence[Activity], schema: pa.Schema) -> pa.Table:
    return pa.table({name: [getattr(row, name) for row in rows] for name in schema.names}, schema=schema)


def _without_formulas(table: pa.Table) -> pa.Table:
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts = pc.replace_substring_regex(table[index], r"^([=+\-@\t\r])", r"'\1")
            table = table.set_column(index, field, texts)
    return table
