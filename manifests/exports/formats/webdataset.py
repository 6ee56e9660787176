"""WebDataset: <split>-000000.tar, ...: per sample <id>.jpg, <id>.mask.png and <id>.json, one after another.

The same rows give the same bytes: samples are in the order of their ids, and every file has the same time and owner.
The JSON has no null: `datasets.load_dataset("webdataset")` takes the columns' types from the first samples.
"""

import io
import math
import tarfile
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa

from manifests.exports.options import ExportOptions
from manifests.exports.rows import METADATA_SCHEMA, ExportRow, ExportRows, metadata
from manifests.exports.staging import fresh_directory, json_bytes, put
from manifests.samples.sample import Row


def export_webdataset(chosen: ExportRows, output: Path, options: ExportOptions) -> None:
    """Write the chosen rows into the new directory `output`."""
    provenance = chosen.provenance()
    with fresh_directory(output) as directory:
        for split in chosen.splits:
            for number, shard in enumerate(_shards(chosen.samples(split), options.shard_size)):
                with tarfile.open(directory / f"{split}-{number:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
                    for sample in shard:
                        _add(tar, f"{sample.id}{sample.image_suffix}", sample.image)
                        _add(tar, f"{sample.id}.mask.png", sample.mask_png(options))
                        origin = {name: provenance[name] for name in ("manifest_version", "manifest_sha256")}
                        _add(tar, f"{sample.id}.json", json_bytes({**_without_nulls(metadata(sample.row)), **origin}))
        put(directory, "manifest.json", json_bytes(provenance))


def _without_nulls(row: Row) -> Row:
    """Missing texts as "", missing numbers as NaN."""
    missing = {field.name: "" if pa.types.is_string(field.type) else math.nan for field in METADATA_SCHEMA}
    return {name: missing[name] if value is None else value for name, value in row.items()}


def _shards(samples: Iterator[ExportRow], size: int) -> Iterator[Iterator[ExportRow]]:
    """Consecutive runs of `size` samples; each must be exhausted before the next."""
    for first in samples:
        yield chain([first], islice(samples, size - 1))


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)  # time 0, owner 0, mode 0644
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
