"""Garbage: find and delete blobs under the data root that nothing names, and temporary files of killed writers.

A blob is kept when its digest is named by

- any Parquet file in the manifests directory or below it: every version, and every selection;
- any Parquet file under `shards/` of the data root: a finished shard is committed later, perhaps by a rerun;
- the decision log's database: the damaged masks that measure reviewers (gold samples) are named nowhere else.

If one of these can't be read, nothing is deleted. Writers store blobs first and name them later, so a blob younger than
MIN_AGE_SECONDS stays, and so do the unnamed ones before it as long as no pause of that length separates two of them: a
long import is still running. Other files (`cache/`, `shards/`, `quarantine/`, the decision log) are never touched. For
a blob that is a link to a source image only the link is deleted. A temporary file (`.tmp-...`) in the manifests
directory, or beside the blobs and shards, is a killed writer's once it is MIN_AGE_SECONDS old.

A blob that a writer stores again while it is being deleted is there afterwards. In a directory a lock sees to that; in
an S3 bucket, where a writer always stores anew, the deletion names the versions that were seen, so it needs versioning.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from manifests.decisions.log import DecisionLog
from manifests.errors import UserError
from manifests.files.atomic import TEMPORARY_PREFIX, temporary_beside
from manifests.files.blobs import BLOBS, BlobStore
from manifests.files.bucket import Bucket, StoredObject
from manifests.files.storage import PARQUET_DAMAGE, is_remote, open_parquet
from manifests.store.hexdigits import Numbers, digits_of, numbers
from manifests.upkeep.blob_listing import DIGEST_DIGITS, list_blobs, seen_objects

MIN_AGE_SECONDS = 3600.0  # a shard of 1,024 images takes minutes; its rows are written at its end

_DIGESTS = ("image_sha256", "mask_sha256", "rival_mask_sha256")
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that nothing names. Deleting it frees `size_bytes`; `modified_at` is in seconds since the epoch.

    `seen` is what was found of it in a bucket.
    """

    path: Path
    size_bytes: int
    modified_at: float
    seen: StoredObject | None = None


@dataclass(frozen=True, slots=True)
class Garbage:
    """The number of blobs, and those that nothing names: deletable ones, and young ones, which stay.

    `leftovers` are temporary files that killed writers left.
    """

    blobs: int
    deletable: tuple[Orphan, ...]
    young: tuple[Orphan, ...]
    leftovers: tuple[Orphan, ...] = ()

    def __str__(self) -> str:
        text = f"{count_and_size(self.deletable)} of {self.blobs:,} named by nothing"
        text += f"; {count_and_size(self.young)} too young to tell" if self.young else ""
        return text + (f"; {count_and_size(self.leftovers, 'temporary file')} left" if self.leftovers else "")


def find_garbage(manifests: Path, data_root: Path, *, log: DecisionLog | None, now: float) -> Garbage:
    """Find blobs under `data_root` that neither `manifests`, nor finished shards, nor `log` name.

    UserError without a version, when a file that names blobs can't be read, and when the versions name none of the
    blobs: then this is another dataset's data root.
    """
    blobs = list_blobs(data_root)  # before the names are read: versions committed meanwhile count
    versions = parquet_files(manifests)
    if not versions:
        raise UserError(f"expected versions in {manifests}, found none; pass the right --manifests")
    newest_first = sorted(versions, key=lambda path: path.stat().st_mtime, reverse=True)  # the newest names most
    unnamed = _without(blobs, chain.from_iterable(map(_digests_in, newest_first)))
    if blobs.num_rows and unnamed.num_rows == blobs.num_rows:
        raise UserError(
            f"expected blobs of the versions in {manifests} under {data_root}, found {blobs.num_rows} blob(s) and none "
            "that they name; pass the --data and --manifests that belong together"
        )
    unnamed = _without(unnamed, chain.from_iterable(map(_digests_in, parquet_files(data_root / "shards"))))
    if log is not None:
        unnamed = _without(unnamed, _logged_digests(log))
    garbage = _by_age(blobs.num_rows, list(_orphans(unnamed, data_root)), now)
    return replace(garbage, leftovers=() if is_remote(data_root) else tuple(_leftovers(manifests, data_root, now)))


def delete_garbage(garbage: Garbage, data_root: Path) -> list[Orphan]:
    """Delete the deletable blobs and the leftovers, and return them; one that was stored again meanwhile stays.

    UserError where the file system has no locks, or the bucket no versioning: a writer could begin to use a blob that
    is being deleted.
    """
    if is_remote(data_root):
        bucket = Bucket(data_root)
        bucket.require_versioning()
        bucket.delete(BLOBS, (orphan.seen for orphan in garbage.deletable if orphan.seen))
        return list(garbage.deletable)
    blobs, deleted = BlobStore(data_root), []
    try:
        for orphan in (*garbage.deletable, *garbage.leftovers):
            with blobs.deleting(), suppress(FileNotFoundError):  # another `gc` was faster
                if _modified_at(orphan.path.lstat()) == orphan.modified_at:
                    orphan.path.unlink()
                    deleted.append(orphan)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise UserError(
            f"expected a file system with locks (flock) under {data_root}, found none ({error.strerror}); nothing is "
            "deleted; run gc on the host that holds the files"
        ) from error
    return deleted


def orphan_at(path: Path) -> Orphan | None:
    """The file or link as it is now; None without one."""
    try:
        stat = path.lstat()
    except FileNotFoundError:
        return None
    return Orphan(path, stat.st_size if stat.st_nlink == 1 else 0, _modified_at(stat))


def parquet_files(directory: Path) -> list[Path]:
    """Parquet files in a directory and below it, without unfinished ones; UserError for a pipe, which never ends."""
    paths = [path for path in directory.rglob("*.parquet") if not path.name.startswith(TEMPORARY_PREFIX)]
    odd = next((path for path in paths if path.exists() and not path.is_file()), None)
    if odd is not None:
        raise UserError(f"expected a sound Parquet file at {odd}, found damage (no regular file); move it away")
    return paths


def storage_clock(data_root: Path) -> float:
    """The time now, in seconds since the epoch, by the clock that stamps the files under `data_root`.

    On shared storage that is another host's, and this host's may be hours ahead: then young blobs would look old.
    """
    if is_remote(data_root):
        return Bucket(data_root).clock()
    probe = temporary_beside(data_root / "clock")
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink()


def count_and_size(orphans: Sequence[Orphan], what: str = "blob") -> str:
    """`3 blobs (12,345 bytes)`."""
    size_bytes = sum(orphan.size_bytes for orphan in orphans)
    return f"{len(orphans):,} {what}{'' if len(orphans) == 1 else 's'} ({size_bytes:,} bytes)"


def _digests_in(path: Path) -> Iterator[pa.ChunkedArray]:
    """The digests in a Parquet file's digest columns, if any; UserError when it is damaged."""
    try:
        with open_parquet(path) as file:
            columns = [name for name in _DIGESTS if name in file.schema_arrow.names]
            for group in range(file.num_row_groups):
                yield from (column.cast(pa.string()) for column in file.read_row_group(group, columns).columns)
    except PARQUET_DAMAGE as error:
        raise UserError(
            f"expected a sound Parquet file at {path}, found damage ({error}): the blobs that it names are unknown; "
            "restore it, or move it away if nothing needs it"
        ) from error


def _logged_digests(log: DecisionLog) -> Iterator[pa.ChunkedArray]:
    """The digests in the columns `..._sha256` of the database's tables: judged masks, and gold samples."""
    with log.reading() as connection:
        inspector = sa.inspect(connection)
        for table in inspector.get_table_names():
            for name in (each["name"] for each in inspector.get_columns(table)):
                if name.endswith("_sha256"):
                    column: sa.ColumnClause[str] = sa.column(name)
                    digests = connection.scalars(sa.select(column).select_from(sa.table(table)).distinct())
                    yield pa.chunked_array([pa.array(list(digests), pa.string())])


def _without(blobs: pa.Table, named: Iterable[pa.ChunkedArray]) -> pa.Table:
    """The blobs whose digest isn't in `named`; stops reading when none is left.

    Digests are compared by their first 64 bits: two blobs that agree in these are both kept if one is named.
    """
    keys, of_blob = np.unique(_keys(blobs["digest"]), return_inverse=True)
    unnamed = np.ones(len(keys), bool)
    for digests in named:
        if not unnamed.any():
            break
        named_keys = _keys(digests)
        places = np.minimum(np.searchsorted(keys, named_keys), len(keys) - 1)
        unnamed[places[keys[places] == named_keys]] = False
    return blobs.filter(pa.array(unnamed[of_blob], pa.bool_()))


def _keys(digests: pa.ChunkedArray) -> Numbers:
    """The first 64 bits of each digest; other values are left out."""
    digits = digits_of(digests, DIGEST_DIGITS)
    if digits is None:
        valid = digests.filter(pc.match_substring_regex(digests, rf"^[0-9a-f]{{{DIGEST_DIGITS}}}$"))
        digits = digits_of(valid, DIGEST_DIGITS) or b""
    return numbers(digits)[::4]


def _orphans(unnamed: pa.Table, data_root: Path) -> Iterator[Orphan]:
    if is_remote(data_root):
        for seen in seen_objects(unnamed):
            yield Orphan(data_root / BLOBS / seen.name, seen.size_bytes, seen.modified_at, seen)
        return
    for name in unnamed["name"].to_pylist():
        orphan = orphan_at(data_root / BLOBS / name[:2] / name)
        if orphan is not None:  # another `gc` was faster
            yield orphan


def _leftovers(manifests: Path, data_root: Path, now: float) -> Iterator[Orphan]:
    """Temporary files that are old enough to be nobody's, at any depth of the places that have writers."""
    name = f"{TEMPORARY_PREFIX}*"
    shards, blobs = data_root / "shards", data_root / BLOBS
    for path in chain(manifests.rglob(name), data_root.glob(name), shards.rglob(name), blobs.glob(f"??/{name}")):
        orphan = orphan_at(path)  # None when its writer has just ended
        if orphan is not None and now - orphan.modified_at >= MIN_AGE_SECONDS and not path.is_dir():
            yield orphan


def _modified_at(stat: os.stat_result) -> float:
    """The modification time; for a hard link, which shares its source's, the later of that and the last link."""
    return stat.st_mtime if stat.st_nlink == 1 else max(stat.st_mtime, stat.st_ctime)


def _by_age(blobs: int, orphans: list[Orphan], now: float) -> Garbage:
    """Split orphans: from the youngest on they stay, up to the first pause of MIN_AGE_SECONDS."""
    orphans.sort(key=lambda orphan: orphan.modified_at, reverse=True)
    young = 0
    next_written_at = now
    for orphan in orphans:
        if next_written_at - orphan.modified_at >= MIN_AGE_SECONDS:
            break
        next_written_at = orphan.modified_at
        young += 1
    return Garbage(blobs, deletable=tuple(orphans[young:]), young=tuple(orphans[:young]))
