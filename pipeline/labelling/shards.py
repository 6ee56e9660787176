"""Shards: a few hundred images labelled together, and remembered when they are finished.

A shard's name is a digest of its images' bytes, the teacher and all settings. Its result is one Parquet file of rows
and one of quarantined images under `data/shards/<digest>/`; the rows are written last, so a shard with rows is
finished and is never labelled again: the same input and settings give the same file names. A stopped run keeps the
labelled part of its shard (pipeline.labelling.unfinished), and the next one goes on there.
"""

import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from manifests import __version__
from manifests.files.atomic import write_replace
from manifests.files.blobs import sha256_hex
from manifests.files.storage import open_parquet, place, read_parquet
from manifests.pixels import images
from manifests.pixels.masks import PERSON_LEVEL
from manifests.samples.sample import TURNED_PHASHES, Row
from manifests.store.schema import SCHEMA
from pipeline import doubt, quarantine
from pipeline.faces import face, roi
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.unfinished import SAVED_EVERY, Part, delete_part, read_part, readable_again
from pipeline.labelling.work import Item, RowsOrQuarantine, WorkItem
from pipeline.ordered_map import in_batches, ordered_map
from pipeline.quarantine import QuarantineRow
from pipeline.teachers import Teacher, options, refine, tiles

READERS = 16  # pipeline.sources allows as many requests at a time; encoded files are small

SMALL_FACES = "small_faces"  # of a row's source image, left out for their size; no column of a manifest
DATASET_COLUMNS = ("group_id", "split", "added_in")  # known only from the whole dataset
ROW_SCHEMA = pa.schema(
    [
        *(field for field in SCHEMA if field.name not in DATASET_COLUMNS),
        pa.field(TURNED_PHASHES, pa.list_(pa.string())),  # the whole dataset needs them to find the row's group
        pa.field(SMALL_FACES, pa.int32()),
    ]
)

_ROWS = "rows.parquet"
_QUARANTINE = "quarantine.parquet"


@dataclass(frozen=True, slots=True)
class ShardResult:
    """A finished shard: its directory, its counts, and whether an earlier run finished it."""

    directory: str
    samples: int
    quarantined: int
    resumed: bool


def split_into_shards(items: Iterable[Item], shard_size: int) -> list[list[Item]]:
    """Split items in order into lists of at most `shard_size`.

    Once a shard is half full, a hash of each item's URI decides whether it ends there (content-defined chunking): an
    added or removed item changes its own shard and those up to the next such end, not all that follow.
    """
    shards: list[list[Item]] = []
    full = True
    for item in items:
        if full:
            shards.append([])
        shards[-1].append(item)
        size = len(shards[-1])
        full = size == shard_size or (size >= shard_size / 2 and _ends_a_shard(item, shard_size))
    return shards


def work_digest(work: Sequence[object], *, teacher: Teacher | None, detector: str, **others: object) -> str:
    """32 hex digits of the work, teacher, detector, this program's version and its numbers."""
    settings = {
        "teacher": [teacher.name, teacher.settings] if teacher else None,
        "detector": detector,
        "code_version": __version__,
        "numbers": labelling_rules(),
        **others,
    }
    return sha256_hex(json.dumps([settings, work], sort_keys=True).encode())[:32]


def labelling_rules() -> dict[str, object]:
    """Collect the numbers that decide what becomes of an image, by their names in digests.

    A changed value makes new shards. A name stays when its module or constant is renamed, or finished shards are lost.
    """
    from pipeline.teachers import network  # here: parsing a command's arguments does not wait for torch

    return {
        "pipeline.faces.PERSON_LEVEL": PERSON_LEVEL,
        "pipeline.faces.MIN_FACE_PX": face.MIN_FACE_PX,
        "pipeline.faces.MIN_FACE_PROB": face.MIN_FACE_PROB,
        "pipeline.roi.ABOVE_FACE_HEIGHTS": roi.ABOVE_FACE_HEIGHTS,
        "pipeline.roi.BELOW_FACE_HEIGHTS": roi.BELOW_FACE_HEIGHTS,
        "pipeline.roi.BESIDE_FACE_HEIGHTS": roi.BESIDE_FACE_HEIGHTS,
        "pipeline.roi.PORTRAIT_AREA_FRACTION": roi.PORTRAIT_AREA_FRACTION,
        "pipeline.doubt.ODD_FRACTION": doubt.ODD_FRACTION,
        "pipeline.doubt.FACE_FRACTION": doubt.FACE_FRACTION,
        "pipeline.doubt.LEAST_UNSURE": doubt.LEAST_UNSURE,
        "pipeline.labelling.MIN_FACE_PROB": face.MIN_FACE_PROB,
        "pipeline.labelling.MIN_FACE_PX": face.MIN_FACE_PX,
        "pipeline.labelling.MIN_FACE_IN_MASK_FRACTION": face.MIN_FACE_IN_MASK_FRACTION,
        "manifests.images.MIN_SIDE_PX": images.MIN_SIDE_PX,
        "manifests.images.MAX_MEGAPIXELS": images.MAX_MEGAPIXELS,
        "manifests.images.JPEG_QUALITY": images.JPEG_QUALITY,
        "manifests.images.PICTURE_FORMATS": images.PICTURE_FORMATS,
        "pipeline.teachers.network.CPU_BATCH_SIZE": options.CPU_BATCH_SIZE,
        "pipeline.teachers.network.GPU_BATCH_SIZE": options.GPU_BATCH_SIZE,
        "pipeline.teachers.network.IMAGENET_MEAN": network.IMAGENET_MEAN,
        "pipeline.teachers.network.IMAGENET_STD": network.IMAGENET_STD,
        "pipeline.teachers.network.STRIDE_PX": network.STRIDE_PX,
        "pipeline.teachers.refine.GUIDE_RADIUS_FRACTION": refine.GUIDE_RADIUS_FRACTION,
        "pipeline.teachers.refine.GUIDE_EPSILON": refine.GUIDE_EPSILON,
        "pipeline.teachers.refine.BAND_PROBS": refine.BAND_PROBS,
        "pipeline.teachers.tiles.OVERLAP_FRACTION": tiles.OVERLAP_FRACTION,
    }


def process_shard(
    items: Sequence[Item],
    directory: Path,
    make_labeller: Callable[[], Labeller[Item]],
    *,
    schema: pa.Schema = ROW_SCHEMA,
    title: str = "labelling",
    threads: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
    advance: Callable[[int], None] = lambda images: None,
    resumed: Callable[[int], None] = lambda images: None,
    labelled: Callable[[Part], None] = lambda part: None,
) -> ShardResult:
    """Label the items into `directory` unless it is finished; rows of `schema` come in the items' order.

    `advance(n)` is called after each image, first of all with the number that an earlier run had labelled, as is
    `resumed(n)`; `labelled(part)` with the part up to each image. CancelledError soon after `stopped()` turns true
    (Ctrl-C reaches only the main thread, not this one), when the labelled part is saved.
    """
    if _finished(directory, items):
        advance(len(items))
        resumed(len(items))
        return _result(directory, resumed=True)
    part = read_part(directory, items, schema)
    advance(part.images)
    resumed(part.images)
    outcomes = label_all(make_labeller(), items[part.images :], threads=threads or os.cpu_count() or 1)
    with closing(outcomes):
        for outcome in outcomes:
            part.add(outcome)
            advance(1)
            if stopped() or part.images % SAVED_EVERY == 0:
                part.save(directory, schema)
            if stopped():
                raise CancelledError(title)
            labelled(part)
    _write(pa.Table.from_pylist(part.quarantined, schema=quarantine.SCHEMA), directory / _QUARANTINE)
    _write(pa.Table.from_pylist(part.rows, schema=schema), directory / _ROWS)
    delete_part(directory)
    return _result(directory, resumed=False)


def label_all(labeller: Labeller[Item], items: Iterable[Item], *, threads: int) -> Generator[RowsOrQuarantine]:
    """Label every item, in order; a few images per thread are in memory at a time.

    READERS threads wait for disks and networks, `threads` compute. A teacher of batch size 1 runs in those, too; one
    of a larger batch size has its own thread, which feeds the device.
    """
    with (
        ThreadPoolExecutor(READERS) as readers,
        ThreadPoolExecutor(threads) as workers,
        ThreadPoolExecutor(1) as feeder,
    ):
        teaching = workers if labeller.batch_size == 1 else feeder
        opened = ordered_map(readers, labeller.read, items, ahead=READERS)
        prepared = ordered_map(workers, labeller.prepare, opened, ahead=threads + labeller.batch_size)
        batches = in_batches(prepared, labeller.batch_size)
        proposed = ordered_map(teaching, labeller.propose, batches, ahead=threads if teaching is workers else 2)
        with closing(opened), closing(prepared), closing(proposed):
            yield from ordered_map(workers, labeller.store, chain.from_iterable(proposed), ahead=threads)


def read_rows(results: Sequence[ShardResult]) -> Iterator[Row]:
    """The rows of finished shards, in order."""
    for table in read_tables(results):
        yield from table.to_pylist()


def read_tables(results: Sequence[ShardResult]) -> Iterator[pa.Table]:
    """The rows of finished shards, a table each, in order."""
    for result in results:
        yield read_parquet(place(result.directory) / _ROWS)


def read_columns(results: Sequence[ShardResult], columns: Sequence[str]) -> pa.Table:
    """Some columns of the same rows, in order."""
    return pa.concat_tables([read_parquet(place(result.directory) / _ROWS, columns) for result in results])


def run_digest(results: Sequence[ShardResult]) -> str:
    """12 hex digits of a run's shards: a rerun overwrites the files named by them."""
    return sha256_hex("".join(PurePosixPath(result.directory).name for result in results).encode())[:12]


def read_quarantine(results: Sequence[ShardResult]) -> list[QuarantineRow]:
    """The quarantined images of finished shards, in order."""
    return [row for result in results for row in read_parquet(place(result.directory) / _QUARANTINE).to_pylist()]


def _ends_a_shard(item: WorkItem, shard_size: int) -> bool:
    """Whether the item may end a shard: often enough that shards are about three quarters full."""
    return int(sha256_hex(item.uri.encode())[:8], 16) % max(1, shard_size // 4) == 0


def _finished(directory: Path, items: Sequence[WorkItem]) -> bool:
    """Whether the shard is labelled, and no file that was unreadable then is readable now."""
    if not (directory / _ROWS).is_file():
        return False
    return not readable_again(items, read_parquet(directory / _QUARANTINE).to_pylist())


def _result(directory: Path, *, resumed: bool) -> ShardResult:
    return ShardResult(
        directory=str(directory),
        samples=_count_rows(directory / _ROWS),
        quarantined=_count_rows(directory / _QUARANTINE),
        resumed=resumed,
    )


def _count_rows(path: Path) -> int:
    with open_parquet(path) as file:
        return int(file.metadata.num_rows)


def _write(table: pa.Table, path: Path) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    write_replace(path, sink.getvalue().to_pybytes())
