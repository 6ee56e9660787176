"""What a worker does with one shard, wherever it runs: this process, or one of a Dask or Ray cluster."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import torch
from prefect.concurrency.sync import concurrency

from manifests.files.blobs import BlobStore
from pipeline.faces.mtcnn import default_detector
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.relabel import MASK_SCHEMA, Relabeller, Sample, relabel_digest
from pipeline.labelling.shards import ROW_SCHEMA, Item, ShardResult, Steps, process_shard, shard_digest
from pipeline.ordered_map import one_thread_an_item
from pipeline.run import progress_bar
from pipeline.sources import Origins, Picture
from pipeline.teachers import TeacherOptions, load_teacher

GPU_SLOT = "gpu"  # a Prefect concurrency limit of this name, where there is one, says how many shards may use GPUs

interrupted = threading.Event()  # the flow in this process was, and the thread that labels a shard should stop


@dataclass(frozen=True, slots=True)
class Job:
    """What all shards of a run have in common; `teacher` is None in case 1, `threads` None for one a core."""

    origins: Origins
    teacher: str | None
    options: TeacherOptions
    data_root: Path
    threads: int | None


@dataclass(frozen=True, slots=True)
class RelabelJob:
    """What all shards of a relabelling have in common; `threads` is None for one a core."""

    teacher: str
    options: TeacherOptions
    data_root: Path
    threads: int | None


def run_shard(pictures: list[Picture], title: str, *, job: Job) -> ShardResult:
    """Label one shard, unless it is finished already."""
    one_thread_an_item()
    detector, teacher = default_detector(), load_teacher(job.teacher, job.options) if job.teacher else None
    digest = shard_digest(pictures, teacher=teacher, detector=detector.name, origins=job.origins)
    make_labeller = partial(Labeller, detector, teacher, BlobStore(job.data_root), job.origins)
    return _process(pictures, title, digest, make_labeller, job=job, schema=ROW_SCHEMA)


def run_relabel_shard(samples: list[Sample], title: str, *, job: RelabelJob) -> ShardResult:
    """Make one shard's new masks, unless it is finished already."""
    one_thread_an_item()
    detector, teacher = default_detector(), load_teacher(job.teacher, job.options)
    digest = relabel_digest(samples, teacher=teacher, detector=detector.name)
    make_relabeller = partial(Relabeller, detector, teacher, BlobStore(job.data_root))
    return _process(samples, title, digest, make_relabeller, job=job, schema=MASK_SCHEMA)


def gpu_slot() -> AbstractContextManager[None]:
    """One slot of the Prefect concurrency limit GPU_SLOT; free where there is no such limit."""
    return concurrency(GPU_SLOT, occupy=1)


def _process(
    items: Sequence[Item],
    title: str,
    digest: str,
    make_steps: Callable[[], Steps[Item]],
    *,
    job: Job | RelabelJob,
    schema: pa.Schema,
) -> ShardResult:
    with gpu_slot() if torch.cuda.is_initialized() else nullcontext():  # the teacher is on a GPU
        return process_shard(
            items,
            job.data_root / "shards" / digest,
            make_steps,
            schema=schema,
            title=title,
            threads=job.threads,
            stopped=interrupted.is_set,
            advance=progress_bar.advance,
        )
