"""Tombstones: forgotten samples and source images. They are not stored again, and their missing blobs are no damage.

Each `forget` writes one immutable file `forgotten/<N>.json` under the data root. It holds digests and sample ids, no
names and no pixels: `samples`, `blobs` that were deleted, and, for source images, `sources` (SHA-256 of their bytes)
and `uris` (SHA-256 of their URIs).
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError, listed
from manifests.files.atomic import sync, write_exclusive
from manifests.files.json_text import parse_json

logger = logging.getLogger(__name__)

DIRECTORY = "forgotten"
FORGOTTEN = "forgotten before"  # the reason of a skipped image

Row = TypeVar("Row", bound=Mapping[str, Any])

_FILE_NAME = re.compile(r"([1-9]\d*)\.json")


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Everything that was forgotten under one data root: digests in hex, and sample ids."""

    samples: frozenset[str] = frozenset()
    blobs: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    uris: frozenset[str] = frozenset()

    @classmethod
    def read(cls, data_root: Path) -> "Tombstones":
        """Read all files; UserError for a damaged one."""
        directory = data_root / DIRECTORY
        if not directory.is_dir():
            return cls()
        files = [_read(path) for path in directory.iterdir() if _FILE_NAME.fullmatch(path.name)]
        return cls(**{name: frozenset().union(*(getattr(each, name) for each in files)) for name in _NAMES})

    def covers_source(self, uri: str, sha256: str | None = None) -> bool:
        """Whether a source image, by its URI or by the digest of its bytes, was forgotten."""
        return sha256 in self.sources or (bool(self.uris) and uri_digest(uri) in self.uris)

    def covers(self, row: Mapping[str, Any]) -> bool:
        """Whether the row is of a forgotten sample, or of another crop of a forgotten source image."""
        return (
            row["sample_id"] in self.samples
            or row["image_sha256"] in self.blobs
            or self.covers_source(row["source_uri"], row["source_sha256"])
        )

    def keep(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows that are not covered; a warning names the others by their source image."""
        forgotten = []
        for row in rows:
            if self and self.covers(row):
                forgotten.append(row["source_uri"])
            else:
                yield row
        if forgotten:
            logger.warning("%s", listed("forgotten sample(s) left out", forgotten))

    def of_samples(self, table: pa.Table) -> pa.ChunkedArray:
        """Which rows of `table`, which has the column sample_id, are of forgotten samples."""
        return pc.is_in(table["sample_id"], value_set=pa.array(self.samples, pa.string()))

    def leave_out(self, table: pa.Table, whose: str) -> pa.Table:
        """The rows of `table` but for forgotten samples; a warning names those, as rows of `whose`."""
        return table.filter(pc.invert(self.named(table, whose))) if self.samples else table

    def named(self, table: pa.Table, whose: str) -> pa.ChunkedArray:
        """`of_samples`, with a warning that names them as rows of `whose`."""
        forgotten = self.of_samples(table)
        if pc.any(forgotten).as_py():
            ids = table["sample_id"].filter(forgotten).to_pylist()
            logger.warning("%s: %s", whose, listed("forgotten sample(s) left out", ids))
        return forgotten

    def __sub__(self, other: "Tombstones") -> "Tombstones":
        return Tombstones(**{name: getattr(self, name) - getattr(other, name) for name in _NAMES})

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in _NAMES)


def uri_digest(uri: str) -> str:
    return hashlib.sha256(uri.encode(errors="surrogateescape")).hexdigest()


_NAMES = tuple(field.name for field in fields(Tombstones))


def write_tombstones(data_root: Path, tombstones: Tombstones) -> None:
    """Write the next file, unless the others hold all of it; then make those durable."""
    if not tombstones - Tombstones.read(data_root):
        sync(data_root / DIRECTORY)  # their writer may have been killed before that
        return
    text = json.dumps({name: sorted(values) for name, values in asdict(tombstones).items()}, indent=1)
    directory = data_root / DIRECTORY
    present = directory.iterdir() if directory.is_dir() else ()
    numbers = [int(match[1]) for path in present if (match := _FILE_NAME.fullmatch(path.name))]
    for number in count(max(numbers, default=0) + 1):
        path = directory / f"{number}.json"
        try:
            write_exclusive(path, lambda temporary: temporary.write_bytes(text.encode()))
        except FileExistsError:  # another `forget` was faster
            continue
        return


def _read(path: Path) -> Tombstones:
    try:
        content = parse_json(path.read_bytes())
        return Tombstones(**{name: frozenset(_texts(content[name])) for name in _NAMES})
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"expected lists of digests ({', '.join(_NAMES)}) in {path}, found a damaged file; restore it from a backup"
        ) from error


def _texts(values: object) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(values)
    return values
