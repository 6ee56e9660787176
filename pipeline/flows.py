"""The flows: generate-pseudo-labels, publish-reviews, fit-student. Their logic lives in functions without Prefect.

Between tasks travel paths, counts and digests, never pixels or networks. One task is one shard of pictures.
"""

import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import cv2
import torch
from prefect import flow, get_run_logger, task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from manifests.blobs import BlobStore
from manifests.decisions import DecisionLog, sqlite_url
from manifests.errors import UserError
from manifests.publish import NothingToPublish, publish
from manifests.store import ManifestStore
from pipeline.commit import Generated, commit_shards, open_destination
from pipeline.labelling import Labeller
from pipeline.mtcnn import default_detector
from pipeline.shards import (
    DEFAULT_SHARD_SIZE,
    SHARD_SIZE_LIMIT,
    ShardResult,
    process_shard,
    shard_digest,
    split_into_shards,
)
from pipeline.sources import Origins, Picture, default_source, find_mask_encoding, find_pictures, without_blobs
from pipeline.teachers import DEFAULT_TEACHER, load_teacher

# One shard at a time: its pictures are labelled in parallel already.
ONE_SHARD_AT_A_TIME: TaskRunner[Any] = ThreadPoolTaskRunner[Any](max_workers=1)

_interrupted = threading.Event()  # the flow was, and the thread that labels a shard should stop


@flow(name="generate-pseudo-labels", task_runner=ONE_SHARD_AT_A_TIME)
def generate_pseudo_labels(
    images: str,
    masks: str | None = None,
    teacher: str = DEFAULT_TEACHER,
    source: str | None = None,
    license: str | None = None,  # noqa: A002 - the column's name
    attribution: str | None = None,
    person_label: int | None = None,
    shard_size: Annotated[int, Field(ge=1, le=SHARD_SIZE_LIMIT)] = DEFAULT_SHARD_SIZE,
    manifests: str = "manifests",
    data: str | None = None,
    allow_private_addresses: bool = False,
) -> Generated:
    """Make portraits with masks out of pictures, and a manifest version out of those.

    With `masks` they are cropped ground truth (case 1), without them the teacher's proposals (case 2).
    """
    store, data_root = open_destination(manifests, data)
    pictures = without_blobs(find_pictures(images, masks, allow_private_addresses=allow_private_addresses), data_root)
    origins = Origins(
        source or default_source(images), license, attribution, find_mask_encoding(pictures, person_label)
    )
    shards = split_into_shards(pictures, shard_size)
    titles = [f"shard {number}/{len(shards)}" for number in range(1, len(shards) + 1)]
    _interrupted.clear()
    try:
        results = label_shard.map(
            shards, titles, origins=unmapped(origins), teacher=teacher, data_root=unmapped(data_root)
        ).result()
    except BaseException:  # Ctrl-C, or a cancelled run
        _interrupted.set()
        raise
    case = {"masks": masks, "encoding": str(origins.encoding)} if masks else {"teacher": teacher}
    parameters = {"images": images, "source": origins.source} | case
    generated = commit_samples(results, store, data_root, parameters=parameters)
    get_run_logger().info(str(generated))
    return generated


@task(cache_policy=NO_CACHE)
def label_shard(pictures: list[Picture], title: str, *, origins: Origins, teacher: str, data_root: Path) -> ShardResult:
    """Label one shard, unless it is finished already."""
    torch.set_num_threads(1)  # pictures are labelled in parallel; threads inside one would fight over the cores
    cv2.setNumThreads(1)
    detector, labels_with = default_detector(), load_teacher(teacher)
    digest = shard_digest(pictures, teacher=labels_with.name, detector=detector.name, origins=origins)
    make_labeller = partial(Labeller, detector, labels_with, BlobStore(data_root), origins)
    directory = data_root / "shards" / digest
    return process_shard(pictures, directory, make_labeller, title=title, stopped=_interrupted.is_set)


@task(cache_policy=NO_CACHE)
def commit_samples(
    results: Sequence[ShardResult], store: ManifestStore, data_root: Path, *, parameters: dict[str, str]
) -> Generated:
    """Write the version that holds the shards' samples."""
    return commit_shards(results, store, data_root, parameters=parameters)


@flow(name="publish-reviews")
def publish_reviews(manifests: str = "manifests", database_url: str | None = None) -> str | None:
    """Fold the decision log into the next manifest version; its path, None when there was nothing new."""
    store = ManifestStore(manifests)
    log = DecisionLog(database_url or sqlite_url(store.open().data_root))
    try:
        return str(publish(store, log).path)
    except NothingToPublish as nothing:
        get_run_logger().info(str(nothing))
        return None
    finally:
        log.close()


@flow(name="fit-student")
def fit_student(
    manifest: str | None = None,
    model: str = "sinet",
    output: str | None = None,
    epochs: int | None = None,
    device: str = "auto",
    manifests: str = "manifests",
) -> str:
    """Fit a student on a version's accepted samples, by `python -m trainer.fit`; the path of its best checkpoint."""
    path = manifest or str(ManifestStore(manifests).open().path)
    options = {"--model": model, "--output": output, "--epochs": epochs, "--device": device}
    given = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    return _last_line([sys.executable, "-m", "trainer.fit", "--manifest", path, *given])


def _last_line(command: Sequence[str]) -> str:
    """Run a command, log what it prints as it comes, and return its last line; UserError when it fails."""
    logger = get_run_logger()
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip():
                last = line.strip()
                logger.info(last)
    if process.returncode != 0:
        raise UserError(f"expected {' '.join(command[1:4])} to succeed, found exit code {process.returncode}: {last}")
    return last
