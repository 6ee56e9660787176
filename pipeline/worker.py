"""What a worker does with one shard, wherever it runs: this process, or one of a Dask or Ray cluster."""

import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import torch
from prefect.concurrency.sync import concurrency

from manifests.blobs import BlobStore
from pipeline import run_bar
from pipeline.labelling import Labeller
from pipeline.mtcnn import default_detector
from pipeline.shards import ShardResult, process_shard, shard_digest
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


def run_shard(pictures: list[Picture], title: str, *, job: Job) -> ShardResult:
    """Label one shard, unless it is finished already."""
    torch.set_num_threads(1)  # pictures are labelled in parallel; threads inside one would fight over the cores
    cv2.setNumThreads(1)
    detector, teacher = default_detector(), load_teacher(job.teacher, job.options) if job.teacher else None
    digest = shard_digest(pictures, teacher=teacher, detector=detector.name, origins=job.origins)
    make_labeller = partial(Labeller, detector, teacher, BlobStore(job.data_root), job.origins)
    directory = job.data_root / "shards" / digest
    with gpu_slot() if torch.cuda.is_initialized() else nullcontext():  # the teacher is on a GPU
        return process_shard(
            pictures,
            directory,
            make_labeller,
            title=title,
            threads=job.threads,
            stopped=interrupted.is_set,
            advance=run_bar.advance,
        )


def gpu_slot() -> AbstractContextManager[None]:
    """One slot of the Prefect concurrency limit GPU_SLOT; free where there is no such limit."""
    return concurrency(GPU_SLOT, occupy=1)
