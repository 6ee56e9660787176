"""Labelling of one shard in a worker: this process, or one of a Dask or Ray cluster."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic

from manifests.files.blobs import BlobStore
from pipeline.faces.mtcnn import default_detector
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.shards import ShardResult, process_shard
from pipeline.labelling.unfinished import Part
from pipeline.labelling.work import Item, Work
from pipeline.ordered_map import one_thread_an_item
from pipeline.run import progress_bar
from pipeline.teachers import TeacherOptions, load_teacher, on_gpu

GPU_SLOT = "gpu"  # an optional Prefect concurrency limit of this name: how many shards may use GPUs at once

interrupted = threading.Event()  # set with the flow in this process: the thread that labels a shard stops


@dataclass(frozen=True, slots=True)
class Job(Generic[Item]):
    """Settings shared by all shards of a run; `teacher` is None in case 1, `threads` None for one per core."""

    work: Work[Item]
    teacher: str | None
    options: TeacherOptions
    data_root: Path
    threads: int | None


def run_shard(shard: Sequence[Item], title: str, *, job: Job[Item]) -> ShardResult:
    """Label one shard as a Prefect task, on a GPU in a slot of the limit GPU_SLOT."""
    return label_shard(shard, title, job=job, gpu_slot=gpu_slot)


def label_shard(
    shard: Sequence[Item],
    title: str,
    *,
    job: Job[Item],
    gpu_slot: Callable[[], AbstractContextManager[object]] = nullcontext,
    labelled: Callable[[Part], None] = lambda part: None,
) -> ShardResult:
    """Label one shard, unless it is finished already; CancelledError soon after `interrupted` is set.

    A shard whose teacher is on a GPU is labelled within the context `gpu_slot()`. `labelled(part)` is called with the
    shard's part up to each image.
    """
    one_thread_an_item()
    detector, teacher = default_detector(), load_teacher(job.teacher, job.options) if job.teacher else None
    digest = job.work.digest(shard, teacher=teacher, detector=detector.name)
    with gpu_slot() if teacher and on_gpu(job.options) else nullcontext():
        return process_shard(
            shard,
            job.data_root / "shards" / digest,
            partial(Labeller, job.work, detector, teacher, BlobStore(job.data_root)),
            schema=job.work.schema,
            title=title,
            threads=job.threads,
            stopped=interrupted.is_set,
            advance=progress_bar.advance,
            resumed=progress_bar.resume,
            labelled=labelled,
        )


def gpu_slot() -> AbstractContextManager[None]:
    """One slot of the Prefect concurrency limit GPU_SLOT; no wait without such a limit."""
    from prefect.concurrency.sync import concurrency  # here: runs without Prefect don't load it

    return concurrency(GPU_SLOT, occupy=1)
