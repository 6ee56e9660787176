"""Attributes of samples: text stated by a data set's authors, such as hair or lighting, or measured, such as pose.

They are no columns of a version. Each import, and each run of pipeline.face_attributes, writes one immutable file
`attributes/<N>.parquet` into the data root: `sample_id` and a text column for each attribute, null when not stated.
Later files override earlier ones, value by value.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.errors import UserError
from manifests.files.atomic import write_exclusive
from manifests.files.storage import PARQUET_DAMAGE, open_parquet
from manifests.samples.slices import UNKNOWN, Slice, name_slices

DIRECTORY = "attributes"
SAMPLE_ID = "sample_id"

Attributes = dict[str, pa.ChunkedArray]  # name -> a text for each sample, or null

_FILE_NAME = re.compile(r"([1-9]\d*)\.parquet")


def write_attributes(
    data_root: Path, sample_ids: Sequence[str], attributes: Mapping[str, Sequence[str | None]]
) -> Path:
    """Write the next file: N samples, and each attribute's N values."""
    columns = {SAMPLE_ID: sample_ids, **attributes}
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    for number in count(max(_files(data_root), default=0) + 1):
        path = data_root / DIRECTORY / f"{number}.parquet"
        try:
            write_exclusive(path, lambda temporary: pq.write_table(table, temporary, write_page_checksum=True))
        except FileExistsError:  # another import was faster
            continue
        return path
    raise AssertionError("unreachable")


def read_attributes(data_root: Path, sample_ids: pa.ChunkedArray) -> Attributes:
    """All attributes of these samples, null when not stated; empty without a file. UserError for a damaged one."""
    attributes: Attributes = {}
    for _, path in sorted(_files(data_root).items()):
        table = _read(path)
        places = pc.index_in(sample_ids, value_set=table[SAMPLE_ID].combine_chunks())  # null: not in this file
        for name in table.column_names[1:]:
            values = table[name].take(places)
            attributes[name] = pc.coalesce(values, attributes[name]) if name in attributes else values
    return attributes


def attribute_slices(attributes: Attributes) -> list[Slice]:
    """A slice for each value of each attribute; samples without one are UNKNOWN."""
    return [
        part
        for name, values in attributes.items()
        for part in name_slices(f"attribute {name}", pc.fill_null(values, UNKNOWN).to_pylist())
    ]


def _files(data_root: Path) -> dict[int, Path]:
    """Number -> file."""
    directory = data_root / DIRECTORY
    if not directory.is_dir():
        return {}
    matches = ((path, _FILE_NAME.fullmatch(path.name)) for path in directory.iterdir())
    return {int(match[1]): path for path, match in matches if match}


def _read(path: Path) -> pa.Table:
    try:
        with open_parquet(path) as file:
            table: pa.Table = file.read()
    except PARQUET_DAMAGE as error:
        raise UserError(
            f"expected a sound Parquet file at {path}, found damage ({error}); restore it, or delete it and import its "
            "attributes again"
        ) from error
    if table.column_names[:1] != [SAMPLE_ID] or any(kind != pa.string() for kind in table.schema.types):
        raise UserError(f"expected text columns, {SAMPLE_ID} first, in {path}, found {table.schema.names}; delete it")
    return table
