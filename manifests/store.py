"""Versions of a dataset: immutable files `v<N>.parquet` in one directory, each the whole state as of N.

`ManifestStore.commit` writes `v<parent + 1>` to a temporary name, fsyncs it and links it into place
exclusively. A reader never sees half a version; of two writers on the same parent one gets `CommitConflict`.
Nothing ever rewrites a version.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests import __version__
from manifests.atomic import write_exclusive
from manifests.blobs import sha256_hex
from manifests.errors import UserError
from manifests.schema import SCHEMA, SCHEMA_VERSION, validate, with_later_columns

METADATA_KEY = b"maskfoundry"
COMMIT_ATTEMPTS = 5  # of `update`; each loss means that another writer got through

_VERSION_NAME = re.compile(r"v([1-9][0-9]*)\.parquet")


class CommitConflict(UserError):
    """Another writer committed first."""


@dataclass(frozen=True)
class Manifest:
    """One version, opened: its metadata at hand, its rows on demand."""

    path: Path
    version: int
    parent: int | None
    operation: str
    parameters: dict[str, Any]
    counts: dict[str, int]
    created_at: datetime
    code_version: str
    data_root: Path
    schema_version: int

    @classmethod
    def open(cls, path: Path | str, *, data_root: Path | None = None) -> "Manifest":
        """Open `path`; UserError when it isn't there, is no manifest, or is of a newer schema.

        `data_root` overrides the one recorded in the metadata.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"expected a manifest at {path}, found no file; {_offer(path.parent)}")
        try:
            raw = (pq.read_schema(path).metadata or {}).get(METADATA_KEY)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"expected a Parquet file at {path}, found a damaged or other file") from error
        if raw is None:
            raise UserError(f"expected a manifest at {path}, found a Parquet file of another kind")
        stored = json.loads(raw)
        if stored["schema_version"] > SCHEMA_VERSION:
            raise UserError(
                f"expected schema version {SCHEMA_VERSION} or older in {path}, found {stored['schema_version']}; "
                "update this program"
            )
        return cls(
            path=path,
            version=stored["version"],
            parent=stored["parent"],
            operation=stored["operation"],
            parameters=stored["parameters"],
            counts=stored["counts"],
            created_at=datetime.fromisoformat(stored["created_at"]),
            code_version=stored["code_version"],
            data_root=data_root or Path(os.path.normpath(path.parent / stored["data_root"])),
            schema_version=stored["schema_version"],
        )

    def read(self, columns: Sequence[str] | None = None, *, encoded: Sequence[str] = ()) -> pa.Table:
        """The rows in stored order, without file metadata; all columns or those named. UserError on damage.

        A version of an older schema is read as one of this: what it doesn't have is null. Columns in `encoded`, of few
        distinct strings, come as dictionaries: a number a row, which is a seventh of the time and of the memory.
        """
        wanted = list(columns or SCHEMA.names)
        with self._opened(encoded) as file:
            present = self._present(file, wanted)
            table = file.read(present).select(present)
        return with_later_columns(table.replace_schema_metadata(None), wanted)

    def take(self, rows: Sequence[int] | npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """The rows at these positions, which ascend; of the file's row groups one is in memory at a time."""
        wanted = np.asarray(rows, np.int64)
        first = 0
        with self._opened() as file:
            present = self._present(file, columns)
            parts = [file.schema_arrow.empty_table().select(present)]
            for number in range(file.num_row_groups):
                after = first + file.metadata.row_group(number).num_rows
                here = wanted[(wanted >= first) & (wanted < after)] - first
                if len(here):
                    parts.append(file.read_row_group(number, present).select(present).take(here))
                first = after
            table = pa.concat_tables(parts)
        return with_later_columns(table.replace_schema_metadata(None), columns)

    def _present(self, file: pq.ParquetFile, wanted: Sequence[str]) -> list[str]:
        """Those of the columns that a version of its schema version has."""
        stored = set(file.schema_arrow.names) if self.schema_version < SCHEMA_VERSION else set(wanted)
        return [name for name in wanted if name in stored]

    @contextmanager
    def _opened(self, encoded: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
        """The file, to read rows from; UserError when it is damaged."""
        try:  # pq.read_table imports pandas
            with pq.ParquetFile(self.path, page_checksum_verification=True, read_dictionary=list(encoded)) as file:
                yield file
        except (pa.ArrowException, OSError, KeyError) as error:
            raise UserError(
                f"expected sound rows in {self.path}, found damage ({error}); restore the file from a backup"
            ) from error

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file's bytes, in hex."""
        return sha256_hex(self.path.read_bytes())


class ManifestStore:
    """The versions in one directory."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def path(self, version: int) -> Path:
        return self.root / f"v{version}.parquet"

    def versions(self) -> list[int]:
        """Version numbers present, ascending; empty for a directory that isn't there."""
        if not self.root.is_dir():
            return []
        matches = (_VERSION_NAME.fullmatch(entry.name) for entry in self.root.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def latest(self) -> int | None:
        """The newest version's number, None when there is none yet."""
        return max(self.versions(), default=None)

    def open(self, version: int | None = None) -> Manifest:
        """Open one version, the latest by default; UserError when there is none."""
        number = version if version is not None else self.latest()
        if number is None:
            raise UserError(f"expected a manifest in {self.root}, found none; {_offer(self.root)}")
        return Manifest.open(self.path(number))

    def data_root(self) -> Path:
        """Where the latest version's blobs lie; the directory `data` beside this one when there is no version."""
        return self.open().data_root if self.versions() else Path(os.path.normpath(self.root / ".." / "data"))

    def history(self) -> list[Manifest]:
        """Every version, oldest first."""
        return [self.open(version) for version in self.versions()]

    def commit(
        self,
        table: pa.Table,
        *,
        parent: int | None,
        operation: str,
        parameters: Mapping[str, Any],
        data_root: Path,
    ) -> Manifest:
        """Write `table` as the version after `parent` (None for the first).

        Raises ManifestInvalid when a row breaks the schema, CommitConflict when `parent` is not the latest.
        """
        validate(table)
        latest = self.latest()
        if parent != latest:
            raise self._conflict(parent, latest)
        version = (parent or 0) + 1
        metadata = {
            "version": version,
            "parent": parent,
            "schema_version": SCHEMA_VERSION,
            "operation": operation,
            "parameters": dict(parameters),
            "counts": _counts(table),
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "code_version": __version__,
            "data_root": os.path.relpath(data_root, self.root),
        }
        stamped = (
            table.select(SCHEMA.names)
            .cast(SCHEMA)
            .replace_schema_metadata({METADATA_KEY: json.dumps(metadata).encode()})
        )
        try:
            write_exclusive(self.path(version), lambda temporary: _write_parquet(stamped, temporary))
        except FileExistsError as error:
            raise self._conflict(parent, self.latest()) from error
        return self.open(version)

    def update(
        self,
        change: Callable[[pa.Table | None, int], pa.Table | None],
        *,
        operation: str,
        parameters: Mapping[str, Any],
        data_root: Path,
    ) -> Manifest | None:
        """Commit what `change(latest rows or None, new version)` returns; None when it returns None.

        For changes that hold on whatever version is the latest: after a CommitConflict the change is made
        again on the newer parent, COMMIT_ATTEMPTS times at most.
        """
        for attempt in range(COMMIT_ATTEMPTS):
            parent = self.latest()
            table = change(self.open(parent).read() if parent else None, (parent or 0) + 1)
            if table is None:
                return None
            try:
                return self.commit(
                    table, parent=parent, operation=operation, parameters=parameters, data_root=data_root
                )
            except CommitConflict:
                if attempt == COMMIT_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def _conflict(self, parent: int | None, latest: int | None) -> CommitConflict:
        return CommitConflict(
            f"expected parent {parent or 'none'} to be the latest version in {self.root}, "
            f"found {latest or 'none'}; reload and commit again"
        )


def _write_parquet(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)  # a flipped bit must not go unseen


def _counts(table: pa.Table) -> dict[str, int]:
    counted = pc.value_counts(table["status"].combine_chunks()).to_pylist()
    return {"rows": table.num_rows} | {entry["values"]: entry["counts"] for entry in counted}


def _offer(directory: Path) -> str:
    """What to do when a manifest is missing: name those that are there, or how to make one."""
    versions = ManifestStore(directory).versions()
    if versions:
        named = ", ".join(f"v{version}" for version in versions[-5:])
        return f"{directory} holds {named}"
    return "make one with python -m pipeline.generate or python -m manifests import"
