"""Task runners, which label shards in this process or in the workers of a Dask or Ray cluster."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from manifests.errors import UserError, install_extra

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

CORES = os.cpu_count() or 1
DEFAULT_WORKERS = CORES
DEFAULT_SHARD_SIZE = 512  # images; a Prefect task costs about 12 ms, a shard minutes
SHARD_SIZE_LIMIT = 1024  # more would lose too much work to a crash
LOOPBACK = "127.0.0.1"  # of a cluster started here: other machines can't submit work to it


@dataclass(frozen=True, slots=True)
class Execution:
    """Where shards are labelled, and how large they are. `runner` is one of RUNNERS.

    `address` is that of a Dask or Ray cluster, None to start one of `workers` processes with the run.
    """

    runner: str
    address: str | None
    workers: int
    shard_size: int


def thread_runner(_address: str | None, _workers: int) -> "TaskRunner[Any]":
    """One shard at a time, in this process: its images are labelled in parallel already."""
    from prefect.task_runners import ThreadPoolTaskRunner  # its log level is set before the first import

    return ThreadPoolTaskRunner[Any](max_workers=1)


def dask_runner(address: str | None, workers: int) -> "TaskRunner[Any]":
    """The Dask cluster whose scheduler is at `address`, `tcp://10.0.0.1:8786` say; without one, `workers` processes."""
    runner = _import("prefect_dask", "dask").DaskTaskRunner
    if address:
        return runner(address=address)
    return runner(
        cluster_kwargs={
            "n_workers": workers,
            "threads_per_worker": 1,  # one shard at a time in each, as above
            "host": LOOPBACK,
            "dashboard_address": None,
        }
    )


def ray_runner(address: str | None, workers: int) -> "TaskRunner[Any]":
    """The Ray cluster at `address`, `10.0.0.1:6379` say; without one, `workers` processes."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # no telemetry
    runner = _import("prefect_ray", "ray").RayTaskRunner
    if address:
        return runner(address=address)
    return runner(init_kwargs={"num_cpus": workers, "include_dashboard": False, "_node_ip_address": LOOPBACK})


RUNNERS: dict[str, Callable[[str | None, int], "TaskRunner[Any]"]] = {
    "thread": thread_runner,
    "dask": dask_runner,
    "ray": ray_runner,
}


def make_runner(execution: Execution) -> "TaskRunner[Any]":
    """Make one of RUNNERS; UserError as of `check_execution`, and where its packages are missing."""
    check_execution(execution)
    return RUNNERS[execution.runner](execution.address, execution.workers)


def check_execution(execution: Execution) -> None:
    """UserError for a runner that isn't one of RUNNERS, an address without a cluster, or no worker."""
    if execution.runner not in RUNNERS:
        raise UserError(f"expected --runner out of {', '.join(RUNNERS)}, found {execution.runner!r}")
    if execution.runner == "thread" and execution.address:
        raise UserError(f"expected --address only with --runner dask or ray, found {execution.address!r} with thread")
    if execution.workers < 1:
        raise UserError(f"expected at least one of --workers, found {execution.workers}")


def threads_per_shard(execution: Execution) -> int | None:
    """Threads of a shard: a share of this machine's cores in a cluster started on it, else None: all cores."""
    return None if execution.runner == "thread" or execution.address else max(1, CORES // execution.workers)


def _import(package: str, extra: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(f"expected the package {package}, found none; {install_extra(extra)}") from error
