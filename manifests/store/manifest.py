"""Versions of a dataset: immutable files `v<N>.parquet` in one directory, each the whole state as of N.

`ManifestStore.commit` writes `v<parent + 1>` to a temporary name, fsyncs it and links it into place exclusively. A
reader never sees a partial version; of two writers on the same parent one gets `CommitConflict`.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests import __version__
from manifests.errors import UserError
from manifests.files.atomic import sync, write_exclusive
from manifests.files.storage import PARQUET_DAMAGE, beside, is_remote, open_parquet, place, relative
from manifests.store.file_metadata import METADATA_KEY, parse_metadata
from manifests.store.hexdigits import ID_DIGITS, digits_of
from manifests.store.row_groups import may_hold, together, write_rows
from manifests.store.row_patch import Places, RowPatch, changed
from manifests.store.schema import SCHEMA, SCHEMA_VERSION, with_later_columns

COMMIT_ATTEMPTS = 5  # of `update`; each failure means that another writer succeeded

_VERSION_NAME = re.compile(r"v([1-9][0-9]*)\.parquet")


class CommitConflict(UserError):
    """Another writer committed first."""


@dataclass(frozen=True)
class Manifest:
    """One version, with its metadata; rows are read on demand."""

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
        """Open `path`; UserError when it is missing, isn't a manifest, or has a newer schema.

        `data_root` overrides the one in the metadata.
        """
        path = place(path)
        if not path.is_file():
            raise UserError(f"expected a manifest at {path}, found no file; {_offer(path.parent)}")
        try:
            with open_parquet(path) as file:
                raw = (file.schema_arrow.metadata or {}).get(METADATA_KEY)
        except PARQUET_DAMAGE as error:
            raise UserError(f"expected a Parquet file at {path}, found a damaged or other file") from error
        if raw is None:
            raise UserError(f"expected a manifest at {path}, found a Parquet file of another kind")
        stored = parse_metadata(raw, path)
        return cls(
            path=path,
            version=stored["version"],
            parent=stored["parent"],
            operation=stored["operation"],
            parameters=stored["parameters"],
            counts=stored["counts"],
            created_at=stored["created_at"],
            code_version=stored["code_version"],
            data_root=data_root or beside(path.parent, stored["data_root"]),
            schema_version=stored["schema_version"],
        )

    def read(
        self,
        columns: Sequence[str] | None = None,
        *,
        only: Mapping[str, str] | None = None,
        encoded: Sequence[str] = (),
    ) -> pa.Table:
        """Read the rows in stored order, all columns or those named; UserError on damage.

        `only` (column -> value) selects rows; row groups without them are skipped. Columns in `encoded`, of few
        distinct strings, become dictionaries, in a seventh of the time and memory. Columns that an older schema lacks
        are null.
        """
        names = list(columns or SCHEMA.names)
        with self._opened(encoded) as file:
            if not only:
                return self._rows_of(file, None, names)
            return together(self._selected(file, names, only), names)

    def parts(
        self, columns: Sequence[str] | None = None, *, places: Places | None = None, checked: bool = True
    ) -> Iterator[pa.Table]:
        """Read a row group at a time: PART_ROWS rows, or the number that an older release wrote.

        `places` (ascending, unique) selects rows by number; row groups without any are skipped. Unless `checked`, the
        columns may have any type.
        """
        first = 0
        with self._opened() as file:
            for group in range(file.num_row_groups):
                last = first + file.metadata.row_group(group).num_rows
                if places is None:
                    yield self._rows_of(file, group, columns or SCHEMA.names, checked=checked)
                elif len(here := places[slice(*np.searchsorted(places, [first, last]))]):
                    yield self._rows_of(file, group, columns or SCHEMA.names).take(pa.array(here - first))
                first = last

    def take(self, places: Places, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the rows with these numbers (ascending, unique)."""
        return together(self.parts(columns, places=places), columns or SCHEMA.names)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file's bytes, in hex."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @contextmanager
    def _opened(self, encoded: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
        try:
            with open_parquet(self.path, encoded=encoded) as file:
                yield file
        except (*PARQUET_DAMAGE, KeyError) as error:
            raise UserError(
                f"expected sound rows in {self.path}, found damage ({error}); restore the file from a backup"
            ) from error

    def _rows_of(
        self, file: pq.ParquetFile, group: int | None, columns: Sequence[str], *, checked: bool = True
    ) -> pa.Table:
        """The rows of one row group, or of all; if `checked`, UserError for columns of other types and for nulls."""
        stored = set(file.schema_arrow.names) if self.schema_version < SCHEMA_VERSION else set(columns)
        present = [name for name in columns if name in stored]
        table = file.read(present) if group is None else file.read_row_group(group, present)
        wrong = list(_wrong_columns(table)) if checked else []
        if wrong:
            raise UserError(
                f"expected the columns of a manifest in {self.path}, found {', '.join(wrong)}; "
                "python -m manifests verify lists all problems"
            )
        if "sample_id" in present and digits_of(table["sample_id"], ID_DIGITS) is None:  # they become file names
            raise UserError(
                f"expected {ID_DIGITS} hex digits as each sample_id in {self.path}, found another; "
                "no release of this program wrote it"
            )
        return with_later_columns(table.select(present).replace_schema_metadata(None), columns)

    def _selected(self, file: pq.ParquetFile, columns: Sequence[str], only: Mapping[str, str]) -> Iterator[pa.Table]:
        for group in range(file.num_row_groups):
            if not may_hold(file.metadata.row_group(group), only):
                continue
            keys = self._rows_of(file, group, list(only))
            fits = reduce(pc.and_, (pc.equal(keys[name], value) for name, value in only.items()))
            if pc.any(fits).as_py():
                yield self._rows_of(file, group, columns).filter(fits)


class ManifestStore:
    """The versions in one directory, or under one URL."""

    def __init__(self, root: Path | str) -> None:
        self.root = place(root)

    def path(self, version: int) -> Path:
        return self.root / f"v{version}.parquet"

    def versions(self) -> list[int]:
        """Version numbers, ascending; [] for a missing directory."""
        try:
            names = [entry.name for entry in self.root.iterdir()] if self.root.is_dir() else []
        except FileNotFoundError:  # a run that made it, and found no portrait, removed it
            names = []
        matches = (_VERSION_NAME.fullmatch(name) for name in names)
        return sorted(int(match[1]) for match in matches if match)

    def latest(self) -> int | None:
        """The newest version's number; None without versions."""
        return max(self.versions(), default=None)

    def open(self, version: int | None = None) -> Manifest:
        """Open one version, the latest by default; UserError when there is none."""
        number = version if version is not None else self.latest()
        if number is None:
            raise UserError(f"expected a manifest in {self.root}, found none; {_offer(self.root)}")
        return Manifest.open(self.path(number))

    def data_root(self) -> Path:
        """The data root of the latest version; without versions, the directory `data` beside this one."""
        return self.open().data_root if self.versions() else beside(self.root, "../data")

    def history(self) -> list[Manifest]:
        """Every version, oldest first."""
        return [self.open(version) for version in self.versions()]

    def sync(self) -> None:
        """Make every version durable; for a caller that commits none since the latest holds its changes already.

        That one's writer may have been killed, or its last fsync may have failed, before it could say so.
        """
        if not is_remote(self.root) and self.root.is_dir():
            sync(self.root)

    def commit(
        self,
        rows: pa.Table | Iterable[pa.Table],
        *,
        parent: int | None,
        operation: str,
        parameters: Mapping[str, Any],
        data_root: Path,
    ) -> Manifest:
        """Write `rows` as the version after `parent` (None for the first); a few parts are in memory at a time.

        ManifestInvalid when a row breaks the schema, CommitConflict when `parent` is not the latest.
        """
        parts = [rows] if isinstance(rows, pa.Table) else rows
        latest = self.latest()
        if parent != latest:
            raise self._conflict(parent, latest)
        version = (parent or 0) + 1
        stamp = {
            "version": version,
            "parent": parent,
            "schema_version": SCHEMA_VERSION,
            "operation": operation,
            "parameters": dict(parameters),
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "code_version": __version__,
            "data_root": relative(data_root, self.root),
        }
        try:
            write_exclusive(self.path(version), lambda temporary: write_rows(parts, temporary, stamp))
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

        For changes that apply to any latest version: after a CommitConflict `change` is called with the newer one,
        COMMIT_ATTEMPTS times at most.
        """

        def parts(base: Manifest | None, version: int) -> list[pa.Table] | None:
            table = change(base.read() if base else None, version)
            return None if table is None else [table]

        return self._update(parts, operation=operation, parameters=parameters, data_root=data_root)

    def amend(
        self,
        change: Callable[[Manifest | None, int], RowPatch | None],
        *,
        operation: str,
        parameters: Mapping[str, Any],
        data_root: Path,
    ) -> Manifest | None:
        """Commit the patch that `change(latest version or None, new version)` returns; None when it returns None.

        Retries as `update`; the rows are copied part by part.
        """

        def parts(base: Manifest | None, version: int) -> Iterable[pa.Table] | None:
            changes = change(base, version)
            return None if changes is None else changed(base.parts() if base else (), changes)

        return self._update(parts, operation=operation, parameters=parameters, data_root=data_root)

    def _update(
        self,
        change: Callable[[Manifest | None, int], Iterable[pa.Table] | None],
        *,
        operation: str,
        parameters: Mapping[str, Any],
        data_root: Path,
    ) -> Manifest | None:
        for attempt in range(COMMIT_ATTEMPTS):
            parent = self.latest()
            parts = change(self.open(parent) if parent else None, (parent or 0) + 1)
            if parts is None:
                self.sync()
                return None
            try:
                return self.commit(
                    parts, parent=parent, operation=operation, parameters=parameters, data_root=data_root
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


def _wrong_columns(table: pa.Table) -> Iterator[str]:
    """Columns of another type than the schema's, plain or as dictionaries, and nulls where it has none."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        field = SCHEMA.field(name)
        stored = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if stored != field.type:
            yield f"{name} of the type {stored}"
        elif column.null_count and not field.nullable:
            yield f"{name} with nulls"


def _offer(directory: Path) -> str:
    """The remedy for a missing manifest: the latest versions, or how to make one."""
    versions = ManifestStore(directory).versions()
    if versions:
        return f"{directory} holds {', '.join(f'v{version}' for version in versions[-5:])}"
    return "make one with python -m pipeline.generate or python -m manifests import"
