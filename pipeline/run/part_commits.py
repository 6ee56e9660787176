"""Versions of a run that is still at work: what is labelled so far, at growing intervals.

The first one comes with FIRST_SAMPLES, the next FIRST_SECONDS later, each further one at twice the interval: a run of
ten hours makes a dozen, and about half of what it has labelled, at least, is in one at any time. Each is a whole
version, whose parameter `part` is its share of the run.
"""

import logging
import time
from collections.abc import Callable

from manifests.store.manifest import CommitConflict
from pipeline.labelling.commit import commit_rows
from pipeline.labelling.shards import ShardResult, read_rows
from pipeline.labelling.unfinished import Part
from pipeline.run.plan import Plan
from pipeline.sources import Picture

FIRST_SAMPLES = 16  # as many as the page asks for
FIRST_SECONDS = 30.0
COMMIT_FRACTION = 0.1  # of the time, at most, goes into the commits of a large dataset

logger = logging.getLogger(__name__)


class PartCommits:
    """Commits the labelled part of a planned run, whose shards are labelled in order, one at a time."""

    def __init__(self, plan: Plan[Picture], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.samples_added = 0
        self._plan = plan
        self._clock = clock
        self._interval = FIRST_SECONDS
        self._next: float | None = None  # before the first one, which comes with FIRST_SAMPLES
        self._finished: list[ShardResult] = []

    def shard_finished(self, result: ShardResult) -> None:
        """Note the result of the next shard."""
        self._finished.append(result)

    def image_labelled(self, part: Part) -> None:
        """Commit what is labelled so far if it is time; `part` is that of the shard at work."""
        samples = len(part.rows) + sum(result.samples for result in self._finished if not result.resumed)
        is_due = samples >= FIRST_SAMPLES if self._next is None else self._clock() >= self._next
        images = self._images(part)
        if is_due and images < self._plan.images:  # the run's own version comes right after the last image
            self._commit(part, f"{images} of {self._plan.images} images")

    def _images(self, part: Part) -> int:
        return sum(len(shard) for shard in self._plan.shards[: len(self._finished)]) + part.images

    def _commit(self, part: Part, share: str) -> None:
        began = self._clock()
        rows = [*read_rows(self._finished), *part.rows]
        counts = {
            "samples": len({row["sample_id"] for row in rows}),
            "quarantined": len(part.quarantined) + sum(result.quarantined for result in self._finished),
        }
        parameters = {**self._plan.parameters, **counts, "part": share}
        try:
            manifest, added = commit_rows(
                lambda: rows, self._plan.store, self._plan.job.data_root, parameters=parameters
            )
        except CommitConflict as conflict:
            logger.warning("no version of %s: %s", share, conflict)
            manifest, added = None, None
        ended = self._clock()
        self._next = ended + max(self._interval, (ended - began) / COMMIT_FRACTION)
        if manifest and added:
            self.samples_added += added.count
            self._interval *= 2
