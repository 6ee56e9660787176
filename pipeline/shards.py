"""Shards: a few hundred pictures labelled together, in threads, and remembered when they are finished.

A shard is known by a digest over its pictures' bytes, the teacher and all settings. Its result is one Parquet
file of rows and one of quarantined pictures under `data/shards/<digest>/`; the rows are written last, so a shard
with rows is finished and is never labelled again: the same input and settings give the same file names.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq

from manifests import __version__, images
from manifests.atomic import write_replace
from manifests.blobs import sha256_hex
from manifests.progress import progress
from manifests.samples import Row
from manifests.schema import SCHEMA
from pipeline import doubt, faces, labelling, quarantine, roi
from pipeline.labelling import Labeller
from pipeline.quarantine import QuarantineRow
from pipeline.sources import Origins, Picture

DEFAULT_SHARD_SIZE = 512  # pictures; a Prefect task costs about 12 ms, a shard minutes
SHARD_SIZE_LIMIT = 1024  # more would lose too much work to a crash

DATASET_COLUMNS = ("group_id", "split", "added_in")  # only the whole dataset can tell these
ROW_SCHEMA = pa.schema([field for field in SCHEMA if field.name not in DATASET_COLUMNS])

_RULES = (faces, roi, doubt, labelling, images)  # modules whose numbers decide what becomes of a picture
_ROWS = "rows.parquet"
_QUARANTINE = "quarantine.parquet"


@dataclass(frozen=True, slots=True)
class ShardResult:
    """Where a finished shard lies, how much it holds, and whether it was finished before."""

    directory: str
    samples: int
    quarantined: int
    resumed: bool


def split_into_shards(pictures: Sequence[Picture], shard_size: int) -> list[list[Picture]]:
    """Pictures in order, `shard_size` at a time."""
    return [list(pictures[start : start + shard_size]) for start in range(0, len(pictures), shard_size)]


def shard_digest(pictures: Sequence[Picture], *, teacher: str, detector: str, origins: Origins) -> str:
    """32 hex digits over all that decides a shard's rows.

    That is: names and bytes of the pictures, teacher, detector, origins, this program's version and its numbers.
    """
    settings = {
        "teacher": teacher,
        "detector": detector,
        "origins": asdict(origins),
        "code_version": __version__,
        "numbers": {f"{module.__name__}.{name}": value for module in _RULES for name, value in _numbers(module)},
    }
    files = [[picture.uri, picture.fingerprint(), _file_digest(picture.mask)] for picture in pictures]
    return sha256_hex(json.dumps([settings, files], sort_keys=True).encode())[:32]


def process_shard(
    pictures: Sequence[Picture],
    directory: Path,
    make_labeller: Callable[[], Labeller],
    *,
    title: str = "labelling",
    threads: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> ShardResult:
    """Label the pictures into `directory`, or find that it was done; rows come in the pictures' order.

    CancelledError soon after `stopped()` turns true: Ctrl-C reaches only the main thread, not the one this runs in.
    """
    if _finished(directory, pictures):
        return _result(directory, resumed=True)
    labeller = make_labeller()
    rows: list[Row] = []
    quarantined: list[QuarantineRow] = []
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as executor:
        for outcome in progress(executor.map(labeller.label, pictures), title, total=len(pictures)):
            if stopped():
                executor.shutdown(wait=False, cancel_futures=True)
                raise CancelledError(title)
            if isinstance(outcome, list):
                rows.extend(outcome)
            else:
                quarantined.append(outcome)
    _write(pa.Table.from_pylist(quarantined, schema=quarantine.SCHEMA), directory / _QUARANTINE)
    _write(pa.Table.from_pylist(rows, schema=ROW_SCHEMA), directory / _ROWS)
    return _result(directory, resumed=False)


def read_rows(results: Sequence[ShardResult]) -> Iterator[Row]:
    """The rows of finished shards, in order."""
    for result in results:
        yield from pq.read_table(Path(result.directory) / _ROWS).to_pylist()


def read_quarantine(results: Sequence[ShardResult]) -> list[QuarantineRow]:
    """The quarantined pictures of finished shards, in order."""
    return [row for result in results for row in pq.read_table(Path(result.directory) / _QUARANTINE).to_pylist()]


def _numbers(module: ModuleType) -> list[tuple[str, object]]:
    """A module's named numbers: its capital-letter constants."""
    return [(name, value) for name, value in vars(module).items() if name.isupper() and not isinstance(value, str)]


def _finished(directory: Path, pictures: Sequence[Picture]) -> bool:
    """Whether the shard was labelled, and no file that couldn't be read then can be read now."""
    if not (directory / _ROWS).is_file():
        return False
    table = pq.read_table(directory / _QUARANTINE).to_pylist()
    unreadable = {row["source_uri"] for row in table if row["reason"] == quarantine.UNREADABLE}
    return all(picture.fingerprint() is None for picture in pictures if picture.uri in unreadable)


def _result(directory: Path, *, resumed: bool) -> ShardResult:
    return ShardResult(
        directory=str(directory),
        samples=pq.read_metadata(directory / _ROWS).num_rows,
        quarantined=pq.read_metadata(directory / _QUARANTINE).num_rows,
        resumed=resumed,
    )


def _write(table: pa.Table, path: Path) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    write_replace(path, sink.getvalue().to_pybytes())


def _file_digest(path: Path | None) -> str | None:
    try:
        return sha256_hex(path.read_bytes()) if path else None
    except OSError:  # the labeller will put it into quarantine, with the reason
        return None
