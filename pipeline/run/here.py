"""A run in this process without Prefect: one shard after the other. Ctrl-C keeps what is labelled."""

import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress

from pipeline.labelling.report import Labelled
from pipeline.labelling.shards import ShardResult
from pipeline.labelling.work import Item
from pipeline.run import progress_bar, worker
from pipeline.run.part_commits import PartCommits
from pipeline.run.plan import Plan
from pipeline.run.worker import Job, label_shard


def label_here(plan: Plan[Item], parts: PartCommits | None = None) -> Labelled:
    """Label the plan's shards and show progress; `parts` commits what is labelled meanwhile.

    KeyboardInterrupt within a few images of Ctrl-C, with a line on what is kept and how to go on.
    """
    started = time.monotonic()
    worker.interrupted.clear()
    with progress_bar.shown(plan.images), ThreadPoolExecutor(1) as thread:
        labelling = thread.submit(_label_all, plan.shards, plan.job, parts)
        try:
            results = labelling.result()
        except KeyboardInterrupt as interruption:
            worker.interrupted.set()
            with suppress(CancelledError):
                labelling.result()
            raise KeyboardInterrupt(
                f"stopped: {progress_bar.count()} of {plan.images} images are labelled and kept; "
                "run the same command again to go on"
            ) from interruption
    return Labelled(results, [len(shard) for shard in plan.shards], time.monotonic() - started)


def _label_all(shards: Sequence[Sequence[Item]], job: Job[Item], parts: PartCommits | None) -> list[ShardResult]:
    """The shards' results, in order; CancelledError soon after the run is interrupted."""
    results = []
    for number, shard in enumerate(shards, 1):
        title = f"shard {number}/{len(shards)}"
        if worker.interrupted.is_set():
            raise CancelledError(title)
        if parts is None:
            results.append(label_shard(shard, title, job=job))
        else:
            results.append(label_shard(shard, title, job=job, labelled=parts.image_labelled))
            parts.shard_finished(results[-1])
    return results
