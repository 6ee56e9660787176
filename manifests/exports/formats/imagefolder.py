"""Hugging Face imagefolder: train/, validation/ and test/, each with images/, masks/ and metadata.parquet.

    README.md        the dataset card
    croissant.json   the machine-readable description
    SHA256SUMS       digests of all other files except croissant.json, which has the digest of this one

`datasets.load_dataset("imagefolder", data_dir=OUTPUT)` returns the columns `image`, `mask` and all metadata. The key-
value metadata of `metadata.parquet` holds the manifest's version and digest.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.exports.card import dataset_card
from manifests.exports.checksums import Checksums
from manifests.exports.croissant import METADATA, croissant
from manifests.exports.options import ExportOptions
from manifests.exports.rows import METADATA_SCHEMA, ExportRows, file_names, metadata
from manifests.exports.staging import fresh_directory, json_bytes, put
from manifests.samples.sample import Row
from manifests.store.schema import Split

SPLIT_FOLDERS: dict[Split, str] = {"train": "train", "val": "validation", "test": "test"}

_ROWS_AT_ONCE = 10_000  # of a row group
_FILE_NAMES = [pa.field("file_name", pa.string(), nullable=False), pa.field("mask_file_name", pa.string(), False)]


def export_imagefolder(chosen: ExportRows, output: Path, options: ExportOptions) -> None:
    """Write the chosen rows into the new directory `output`."""
    tables = [f"{SPLIT_FOLDERS[split]}/{METADATA}" for split in chosen.splits]
    with fresh_directory(output) as directory:
        with Checksums(directory) as files:
            for split, table in zip(chosen.splits, tables, strict=True):
                for sample in chosen.samples(split):
                    names = file_names(sample.row)
                    files.put(f"{SPLIT_FOLDERS[split]}/{names['file_name']}", sample.image)
                    files.put(f"{SPLIT_FOLDERS[split]}/{names['mask_file_name']}", sample.mask_png(options))
                _write_metadata(chosen, split, directory / table)
                files.add(table)
            files.put("README.md", dataset_card(chosen, SPLIT_FOLDERS, soft=options.soft).encode())
        put(directory, "croissant.json", json_bytes(croissant(chosen, directory, tables, soft=options.soft)))


def _write_metadata(chosen: ExportRows, split: Split, path: Path) -> None:
    provenance = {"maskfoundry": json.dumps(chosen.provenance())}
    schema = pa.schema([*_FILE_NAMES, *METADATA_SCHEMA], metadata=provenance)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in _chunks(chosen.rows(split)):
            entries = [{**file_names(row), **metadata(row)} for row in rows]
            writer.write_table(pa.Table.from_pylist(entries, schema=schema))


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, _ROWS_AT_ONCE)):
        yield chunk
