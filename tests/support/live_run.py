"""A run of this process that has labelled some images, as the file beside the versions shows it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from manifests.store import labelling_runs
from manifests.store.labelling_runs import Counts, announced


@contextmanager
def live_run(manifests: Path, labelled: int, total: int) -> Iterator[None]:
    """The run, from the moment when its file has that count."""
    asked = threading.Semaphore(0)

    def counts() -> Counts:
        asked.release()
        return Counts(labelled, labelled)  # an earlier run's: the time left stays unknown

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labelling_runs, "BEAT_SECONDS", 0.05)
        with announced(manifests, total, counts):
            for _ in range(2):  # what the first question found has been written by the second
                assert asked.acquire(timeout=60)
            yield
