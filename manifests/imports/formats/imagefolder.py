"""Hugging Face imagefolder with masks -> trusted pairs: the rows of every metadata.parquet, metadata.csv and .jsonl.

The column `file_name` names the image and `mask_file_name` the mask, both relative to the metadata's directory. The
columns `license` and `attribution` are optional. Parquet files with embedded images are read by parquet.py.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import UserError
from manifests.files.json_text import parse_json
from manifests.imports.archive import Directory
from manifests.imports.error_list import Problems
from manifests.imports.formats.parquet import read_parquet
from manifests.imports.ground_truth import LeftOut, TrustedPair
from manifests.imports.json_file import text
from manifests.imports.safe_paths import lines_of

METADATA_FILES = ("metadata.parquet", "metadata.csv", "metadata.jsonl")
IMAGE, MASK = "file_name", "mask_file_name"

_COLUMNS = (IMAGE, MASK, "license", "attribution")


def read_imagefolder(annotations: Path, images: Path | None, category: str) -> list[TrustedPair | LeftOut]:
    """The rows of all metadata files below the directory `annotations`, by image; masks hold one category.

    UserError listing every problem: images and masks that are missing or lie outside, names listed twice.
    """
    if images is not None:
        raise UserError("expected no --images with an imagefolder, found one; its metadata names them")
    if not annotations.is_dir():
        raise UserError(f"expected the directory of an imagefolder at {annotations}, found none; check the path")
    tree = Directory(annotations)
    files = [name for name in tree.names if PurePosixPath(name).name in METADATA_FILES]
    if not files and any(name.endswith(".parquet") for name in tree.names):
        return read_parquet(annotations, images, category)
    if not files:
        raise UserError(f"expected {', '.join(METADATA_FILES)} somewhere in {annotations}, found none of them")
    problems = Problems()
    pairs: dict[str, TrustedPair] = {}
    for file in files:
        folder = PurePosixPath(file).parent
        for row in _rows(annotations / file, tree.read(file)):
            pair = _pair(annotations, folder, row, problems)
            if pair and pair.name in pairs:
                problems.add("images listed twice", pair.name)
            elif pair:
                pairs[pair.name] = pair
    problems.check(f"a sound imagefolder in {annotations}")
    if not pairs:
        raise UserError(f"expected rows in {', '.join(files)} of {annotations}, found none")
    return [pairs[name] for name in sorted(pairs)]


def _pair(root: Path, folder: PurePosixPath, row: dict[str, Any], problems: Problems) -> TrustedPair | None:
    """The pair of one row; None, with a problem added, for a bad row."""
    image_name, mask_name = text(row[IMAGE]), text(row[MASK])
    if image_name is None or mask_name is None:
        problems.add("rows without an image or a mask", f"{folder}: {row[IMAGE]!r}, {row[MASK]!r}")
        return None
    image, mask = problems.find(root / folder, image_name), problems.find(root / folder, mask_name, what="masks")
    if image is None or mask is None:
        return None
    return TrustedPair.of_files(
        image,
        mask,
        name=(folder / image_name).as_posix(),
        mask_name=(folder / mask_name).as_posix(),
        license=text(row.get("license")),
        attribution=text(row.get("attribution")),
    )


def _rows(file: Path, data: bytes) -> Iterator[dict[str, Any]]:
    """The rows of a metadata file, with _COLUMNS at least; UserError for a damaged or another file."""
    read = {".parquet": _parquet_rows, ".csv": _csv_rows, ".jsonl": _json_rows}[file.suffix]
    try:
        for row in read(data):
            missing = [name for name in (IMAGE, MASK) if name not in row]
            if missing:
                raise UserError(
                    f"expected the columns {IMAGE} and {MASK} in {file}, found no {' and no '.join(missing)}"
                )
            yield row
    except (ValueError, RecursionError, csv.Error, pa.ArrowException, OSError) as error:
        raise UserError(f"expected {file} to be whole and in UTF-8, found damage or other bytes ({error})") from error


def _parquet_rows(data: bytes) -> Iterator[dict[str, Any]]:
    file = pq.ParquetFile(pa.BufferReader(data))
    columns = [name for name in _COLUMNS if name in file.schema_arrow.names]
    for batch in file.iter_batches(columns=columns):
        yield from batch.to_pylist()


def _csv_rows(data: bytes) -> Iterator[dict[str, Any]]:
    return csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)


def _json_rows(data: bytes) -> Iterator[dict[str, Any]]:
    for line in filter(str.strip, lines_of(data.decode("utf-8-sig"))):
        row = parse_json(line)
        if not isinstance(row, dict):
            raise ValueError(f"expected an object a line, found {line[:80]!r}")
        yield row
