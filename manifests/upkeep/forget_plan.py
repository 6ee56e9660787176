"""The plan of a `forget`: the samples, their files, and the versions and checkpoints that hold them.

They are found in every version and selection, in finished shards under the data root, and in the decision log.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from manifests.decisions.log import DecisionLog
from manifests.errors import UserError, listed
from manifests.files.blobs import BLOB_SUFFIXES, blob_path
from manifests.files.json_text import parse_json
from manifests.files.storage import PARQUET_DAMAGE
from manifests.files.tombstones import Tombstones, uri_digest
from manifests.store.manifest import Manifest, ManifestStore
from manifests.upkeep.garbage import Orphan, orphan_at, parquet_files

_DERIVED = ("cache", "reports")  # directories under the data root: pixels of many samples, made again on demand
_EMBEDDINGS = "embeddings"
_BLOBS = ("image_sha256", "mask_sha256", "rival_mask_sha256", "edited_from")
_COLUMNS = ("sample_id", "source_uri", "source_sha256", "group_id", "status", *_BLOBS)


@dataclass(frozen=True, slots=True)
class Holder:
    """A version or selection that names forgotten samples; `accepted` counts those that a fit on it has seen."""

    path: Path
    digest: str
    samples: int
    accepted: int


@dataclass(frozen=True)
class ForgetPlan:
    """Files that `forget` deletes, and versions, checkpoints and samples that it leaves.

    `samples` and `look_alikes`, which are other samples of the same near-duplicate groups and stay, map ids to source
    URIs. `shared` counts blobs that stay since other samples have them; `fitted` are checkpoints.
    """

    samples: dict[str, str]
    holders: list[Holder]
    tombstones: Tombstones
    blobs: tuple[Orphan, ...]
    shared: int
    derived: tuple[Path, ...]
    look_alikes: dict[str, str]
    fitted: list[Path]


@dataclass
class _Request:
    """The samples to forget, found in several passes over the tables."""

    uris: set[str]
    samples: set[str]
    sources: set[str] = field(default_factory=set)
    images: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    named: dict[str, str] = field(default_factory=dict)  # sample id -> source URI

    def matches(self, table: pa.Table) -> pa.ChunkedArray:
        return _any_in(
            table,
            {
                "sample_id": self.samples,
                "source_uri": self.uris,
                "source_sha256": self.sources,
                "image_sha256": self.images,
            },
        )

    def look_at(self, table: pa.Table) -> None:
        """Add the samples of the named source images, and of the same bytes."""
        rows = table.filter(self.matches(table))
        for row in rows.to_pylist():
            self.samples.add(row["sample_id"])
            if row.get("image_sha256"):
                self.images.add(row["image_sha256"])
            if row.get("group_id"):
                self.groups.add(row["group_id"])
            if row.get("source_uri"):
                self.named.setdefault(row["sample_id"], row["source_uri"])
            if row.get("source_uri") in self.uris:
                self.sources.add(row["source_sha256"])

    @property
    def size(self) -> int:
        return len(self.samples) + len(self.sources) + len(self.images)


def find_forgotten(
    store: ManifestStore,
    data_root: Path,
    *,
    uris: Collection[str] = (),
    samples: Collection[str] = (),
    log: DecisionLog | None = None,
    runs: Sequence[Path] = (),
) -> ForgetPlan:
    """Find the samples of the source images `uris`, and `samples`, with all of the same image bytes.

    `runs` are directories whose checkpoints are searched for those fitted on them. UserError for a URI or id that no
    version has.
    """
    versions = sorted(parquet_files(store.root), key=lambda path: (path.parent, len(path.name), path.name))
    files = [*versions, *parquet_files(data_root / "shards")]
    request = _Request(set(uris), set(samples))
    size = -1
    while size != request.size:  # an image may have several source URIs, and these several samples
        size = request.size
        for _path, table in _tables(files):
            request.look_at(table)
    unknown = sorted({*samples} - {*request.named}) + sorted({*uris} - {*request.named.values()})
    if unknown:
        raise UserError(
            f"expected samples or source images of versions in {store.root}, found none of "
            f"{listed('of these', unknown)}; python -m manifests show lists ids and URIs"
        )
    before = Tombstones.read(data_root).samples
    mine, others = _digests(files, log, request.samples, others_than=request.samples | before)
    blobs = [blob for sha256 in sorted(mine - others) for blob in _files_of(data_root, sha256)]
    holders = list(_holders(versions, request.samples))
    seen = {holder.digest for holder in holders if holder.accepted}
    return ForgetPlan(
        samples=request.named,
        holders=holders,
        tombstones=Tombstones(
            frozenset(request.samples),
            frozenset(mine - others),
            frozenset(request.sources),
            frozenset(uri_digest(uri) for uri in uris),
        ),
        blobs=tuple(blobs),
        shared=len(others),
        derived=tuple(_derived(data_root, request.images)),
        look_alikes=_look_alikes(versions, request),
        fitted=[path for directory in runs for path in _fitted(directory, seen)],
    )


def _tables(files: Sequence[Path]) -> Iterator[tuple[Path, pa.Table]]:
    """Those of _COLUMNS that a file of rows has, a row group at a time."""
    for path in files:
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                columns = [name for name in _COLUMNS if name in file.schema_arrow.names]
                for group in range(file.num_row_groups if "sample_id" in columns else 0):
                    yield path, file.read_row_group(group, columns)
        except PARQUET_DAMAGE as error:
            raise UserError(
                f"expected a sound Parquet file at {path}, found damage ({error}): the samples that it names are "
                "unknown; restore it, or move it away if nothing needs it"
            ) from error


def _any_in(table: pa.Table, wanted: dict[str, set[str]]) -> pa.ChunkedArray:
    """Which rows have one of the `wanted` values in a column that the table has."""
    found = pa.chunked_array([pa.repeat(False, table.num_rows)])
    for name in set(wanted) & set(table.column_names):
        found = pc.or_(found, pc.is_in(table[name], value_set=pa.array(wanted[name], pa.string())))
    return found


def _digests(
    files: Sequence[Path], log: DecisionLog | None, samples: Collection[str], others_than: Collection[str]
) -> tuple[set[str], set[str]]:
    """Digests of blobs that rows of `samples` name, and those of them that rows of none of `others_than` name, too."""
    logged = set(_logged(log)) if log else set()
    mine = {sha256 for sample_id, sha256 in logged if sample_id in samples}
    for _path, table in _tables(files):
        rows = table.filter(_any_in(table, {"sample_id": set(samples)}))
        for name in set(_BLOBS) & set(table.column_names):
            mine.update(rows[name].drop_null().unique().to_pylist())
    others = {sha256 for sample_id, sha256 in logged if sample_id not in others_than and sha256 in mine}
    for _path, table in _tables(files):
        rows = table.filter(pc.invert(_any_in(table, {"sample_id": set(others_than)})))
        for name in set(_BLOBS) & set(table.column_names):
            others.update(rows[name].filter(_any_in(rows, {name: mine})).unique().to_pylist())
    return mine, others


def _logged(log: DecisionLog) -> Iterator[tuple[str, str]]:
    """Sample and digest in the database's tables that have both: judged and repaired masks, gold samples."""
    with log.reading() as connection:
        inspector = sa.inspect(connection)
        for table in inspector.get_table_names():
            names = [column["name"] for column in inspector.get_columns(table)]
            for name in names if "sample_id" in names else ():
                if name.endswith("_sha256"):
                    column: sa.ColumnClause[str] = sa.column(name)
                    sample_id: sa.ColumnClause[str] = sa.column("sample_id")
                    query = sa.select(sample_id, column).select_from(sa.table(table)).distinct()
                    yield from ((row[0], row[1]) for row in connection.execute(query) if row[1])


def _files_of(data_root: Path, sha256: str) -> Iterator[Orphan]:
    """The files of a blob; of a link the link alone."""
    for suffix in BLOB_SUFFIXES:
        orphan = orphan_at(data_root / blob_path(sha256, suffix))
        if orphan is not None:
            yield orphan


def _holders(versions: Sequence[Path], samples: Collection[str]) -> Iterator[Holder]:
    counts: dict[Path, tuple[int, int]] = {}
    for path, table in _tables(versions):
        if "status" not in table.column_names:  # no version
            continue
        rows = table.filter(_any_in(table, {"sample_id": set(samples)}))
        accepted = rows.filter(pc.equal(rows["status"], "accepted"))
        before = counts.get(path, (0, 0))
        counts[path] = before[0] + rows.num_rows, before[1] + accepted.num_rows
    for path, (held, accepted) in counts.items():
        if held:
            yield Holder(path, Manifest.open(path).digest, held, accepted)


def _look_alikes(versions: Sequence[Path], request: _Request) -> dict[str, str]:
    """Other samples of the same near-duplicate groups."""
    found: dict[str, str] = {}
    for _path, table in _tables(versions):
        rows = table.filter(_any_in(table, {"group_id": request.groups}))
        found |= {row["sample_id"]: row["source_uri"] for row in rows.to_pylist()}
    return {name: uri for name, uri in found.items() if name not in request.samples}


def _derived(data_root: Path, images: Collection[str]) -> Iterator[Path]:
    """Caches, contact sheets and embeddings made of the images' pixels."""
    for name in _DERIVED:
        if (data_root / name).is_dir():
            yield from sorted((data_root / name).iterdir())
    for path in parquet_files(data_root / _EMBEDDINGS):
        try:
            with pq.ParquetFile(path) as file:
                embedded = file.read(["image_sha256"])
        except PARQUET_DAMAGE as error:
            raise UserError(
                f"expected sound embeddings at {path}, found damage ({error}); delete the file, it is made again"
            ) from error
        if pc.any(_any_in(embedded, {"image_sha256": set(images)})).as_py():
            yield path


def _fitted(directory: Path, digests: Collection[str]) -> Iterator[Path]:
    """Checkpoints below a directory whose description names one of the versions' `digests`."""
    for path in sorted(directory.rglob("*.json")):
        try:
            described = parse_json(path.read_bytes())
        except (ValueError, OSError):
            continue
        if isinstance(described, dict) and described.get("manifest_digest") in digests:
            yield path.with_name(str(described.get("file", path.name)))
