"""The flows: generate-pseudo-labels, relabel-samples, publish-reviews, fit-student. Their logic needs no Prefect.

Tasks exchange paths, counts and digests, never pixels or networks. One task is one shard of images.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from prefect import flow, get_run_logger, task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import TaskRunner
from pydantic import Field

from manifests.decisions.database import has_password
from manifests.decisions.log import existing_log, sqlite_url
from manifests.decisions.policy import Conflicts, Policy
from manifests.decisions.publish import NothingToPublish, publish
from manifests.errors import UserError
from manifests.store.labelling_runs import announced
from manifests.store.manifest import ManifestStore
from pipeline.labelling.commit import Generated, commit_shards
from pipeline.labelling.destination import Destination
from pipeline.labelling.relabel import Relabelled, RelabelStatus, commit_relabelled
from pipeline.labelling.report import Labelled
from pipeline.labelling.work import Item
from pipeline.run import artifacts, progress_bar, worker
from pipeline.run.plan import GenerateRequest, Plan, RelabelRequest, plan_labels, plan_new_masks
from pipeline.run.runners import (
    DEFAULT_SHARD_SIZE,
    DEFAULT_WORKERS,
    SHARD_SIZE_LIMIT,
    Execution,
    make_runner,
)
from pipeline.run.worker import run_shard
from pipeline.teachers import DEFAULT_TEACHER, TeacherOptions

label_shard = task(name="label_shard", cache_policy=NO_CACHE)(run_shard)
relabel_shard = task(name="relabel_shard", cache_policy=NO_CACHE)(run_shard)
commit_samples = task(name="commit_samples", cache_policy=NO_CACHE)(commit_shards)
commit_masks = task(name="commit_masks", cache_policy=NO_CACHE)(commit_relabelled)


@flow(name="generate-pseudo-labels")
def generate_pseudo_labels(
    images: str,
    masks: str | None = None,
    teacher: str = DEFAULT_TEACHER,
    options: TeacherOptions = TeacherOptions(),  # noqa: B008 - it is frozen
    source: str | None = None,
    license: str | None = None,  # noqa: A002 - the column's name
    attribution: str | None = None,
    person_label: int | None = None,
    grey_levels: bool = False,
    shard_size: Annotated[int, Field(ge=1, le=SHARD_SIZE_LIMIT)] = DEFAULT_SHARD_SIZE,
    manifests: str = "manifests",
    data: str | None = None,
    runner: str = "thread",
    address: str | None = None,
    workers: int = DEFAULT_WORKERS,
    allow_private_addresses: bool = False,
) -> Generated:
    """Make portraits with masks from source images and commit them as the next manifest version.

    With `masks` these are cropped ground truth (case 1), without them the teacher's proposals (case 2). `runner` is
    one of pipeline.run.runners; `workers` is the number of processes of a Dask or Ray cluster started for this run.
    """
    execution = Execution(runner, address, workers, shard_size)
    task_runner = make_runner(execution)
    request = GenerateRequest(
        images=images,
        masks=masks,
        teacher=teacher,
        options=options,
        source=source,
        license=license,
        attribution=attribution,
        person_label=person_label,
        grey_levels=grey_levels,
        allow_private_addresses=allow_private_addresses,
    )
    plan = plan_labels(request, execution, Destination(manifests, data))
    data_root = plan.job.data_root
    with announced(plan.store.root, plan.images, progress_bar.counts):
        labelled = _map_shards(task_runner, label_shard, plan)
        generated = commit_samples(labelled.results, plan.store, data_root, parameters=plan.parameters)
    get_run_logger().info(str(generated))
    return replace(generated, sheet=artifacts.show_report(labelled, generated, data_root))


@flow(name="relabel-samples")
def relabel_samples(
    status: RelabelStatus,
    teacher: str,
    options: TeacherOptions = TeacherOptions(),  # noqa: B008 - it is frozen
    shard_size: Annotated[int, Field(ge=1, le=SHARD_SIZE_LIMIT)] = DEFAULT_SHARD_SIZE,
    manifests: str = "manifests",
    data: str | None = None,
    runner: str = "thread",
    address: str | None = None,
    workers: int = DEFAULT_WORKERS,
    keep_both: bool = False,
) -> Relabelled:
    """Make new masks for the latest version's samples of one status and commit them as the next version.

    With `keep_both` pending samples keep their masks and get the new ones beside them.
    """
    execution = Execution(runner, address, workers, shard_size)
    task_runner = make_runner(execution)
    request = RelabelRequest(status=status, teacher=teacher, options=options, keep_both=keep_both)
    plan = plan_new_masks(request, execution, Destination(manifests, data))
    relabelled = commit_masks(
        _map_shards(task_runner, relabel_shard, plan).results,
        plan.store,
        plan.job.data_root,
        version=plan.version,
        status=status,
        parameters=plan.parameters,
        keep_both=keep_both,
    )
    get_run_logger().info(str(relabelled))
    if relabelled.complaint:
        get_run_logger().warning(relabelled.complaint)
    return relabelled


@flow(name="publish-reviews")
def publish_reviews(
    manifests: str = "manifests",
    database_url: str | None = None,
    votes: int = 1,
    conflicts: Conflicts = "keep",
) -> str | None:
    """Fold the decision log into the next manifest version; return its path, None without anything new.

    UserError for a `database_url` with a password: Prefect keeps parameters in clear, and its page shows them; and
    without a `database_url` where no log is under the data root: the decisions may be in another database.
    """
    if database_url and has_password(database_url):
        raise UserError(
            "expected a database_url without a password, found one: Prefect keeps a run's parameters in clear; "
            "give the password to the worker as PGPASSWORD or in ~/.pgpass"
        )
    store = ManifestStore(manifests)
    data_root = store.open().data_root
    log = existing_log(database_url, data_root)
    if log is None:
        raise UserError(
            f"expected the decision log {sqlite_url(data_root)}, found none; review some masks first, or pass the "
            "database_url of the review page"
        )
    try:
        return str(publish(store, log, Policy(votes, conflicts)).path)
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
    """Fit a student on a version's accepted samples, by `python -m trainer.fit`; return its best checkpoint's path."""
    path = manifest or str(ManifestStore(manifests).open().path)
    options = {"--model": model, "--output": output, "--epochs": epochs, "--device": device}
    arguments = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    return _last_line([sys.executable, "-m", "trainer.fit", "--manifest", path, *arguments])


def _map_shards(task_runner: TaskRunner[Any], task_of_shard: Any, plan: Plan[Item]) -> Labelled:
    """Label the shards; results in order. `task_of_shard` is Any: Prefect's types allow only asynchronous tasks."""
    shards = plan.shards
    titles = [f"shard {number}/{len(shards)}" for number in range(1, len(shards) + 1)]
    worker.interrupted.clear()
    with task_runner:
        try:
            futures = task_runner.map(task_of_shard, {"shard": shards, "title": titles, "job": unmapped(plan.job)})
            return artifacts.watch(futures, [len(shard) for shard in shards])
        except BaseException:  # Ctrl-C, or a cancelled run: stop the shard that the runner would wait for
            worker.interrupted.set()
            raise


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
