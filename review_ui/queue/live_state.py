"""The state of the newest version, in step with the two tables that other servers write too."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import sqlalchemy as sa

from manifests.decisions.audit import AuditedPart
from manifests.decisions.log import DecisionLog
from manifests.decisions.log_parts import finish_interrupted
from manifests.decisions.policy import Policy
from manifests.store.manifest import Manifest, ManifestStore
from review_ui.queue.gold_mix import GoldMix
from review_ui.queue.leases import Leases
from review_ui.queue.open_samples import ReviewQueue
from review_ui.queue.review_state import ReviewState

LOOK_SECONDS = 30  # between two looks for a newer version while samples wait


class LiveState:
    """`state`, and transactions that first read everything written before. One thread at a time."""

    def __init__(
        self, manifest: Manifest, store: ManifestStore, log: DecisionLog, policy: Policy, mix: GoldMix,
        now: Callable[[], datetime], audit: AuditedPart | None = None,
    ) -> None:  # fmt: skip
        self._audit = audit
        self._store = store
        self._log = log
        self._policy = policy
        self._mix = mix
        self._now = now
        self._state: ReviewState | None = None
        self._astray = False
        finish_interrupted(store, log)
        with log.writing() as connection:
            Leases.prepare(connection, now())
        self.load(manifest)

    def load(self, manifest: Manifest, queue: ReviewQueue | None = None) -> None:
        """Load the rows of `manifest`, and both tables on from where they were read."""
        queue = queue or self.queue_of(manifest)
        tables = self._state.tables if self._state and not self._astray else None
        self._astray = True  # until all is read: the old state would miss what went into its tables
        state = ReviewState(
            manifest, queue, self._log, self._policy, self._mix, self._now, is_audit=self._audit is not None,
            tables=tables,
        )  # fmt: skip
        with self._log.reading() as connection:
            state.catch_up(connection)
        if self._state:
            self._state.selections.close(wait=False)
        self._state = state
        self._look_again = self._now() + timedelta(seconds=LOOK_SECONDS)
        self._astray = False

    @property
    def state(self) -> ReviewState:
        assert self._state  # loaded from the beginning
        return self._state

    def queue_of(self, manifest: Manifest) -> ReviewQueue:
        """Read the queue of a version: all of it, or its audit. Changes no state."""
        return ReviewQueue(manifest, votes=self._policy.votes, audit=self._audit)

    def look_for_newer(self) -> None:
        """Load a version that was committed since the last look: its samples may have other masks."""
        if self.state.queue.waiting and self._now() < self._look_again:
            return
        self._look_again = self._now() + timedelta(seconds=LOOK_SECONDS)
        newest = self._store.latest() or 0
        if newest > self.state.manifest.version:
            self.load(self._store.open(newest))

    @contextmanager
    def writing(self) -> Iterator[tuple[ReviewState, sa.Connection]]:
        """A transaction that first reads everything written before; the next one reads what it writes."""
        self._recover()
        with self._log.writing() as connection:
            self.state.catch_up(connection)
            self._astray = True  # until the commit: memory may hold what the database then refuses
            yield self.state, connection
        self._astray = False

    @contextmanager
    def reading(self) -> Iterator[ReviewState]:
        """The state, with everything that was written before."""
        self._recover()
        with self._log.reading() as connection:
            self.state.catch_up(connection)
        yield self.state

    def _recover(self) -> None:
        """Load the version again after a failed transaction: memory may hold what the database refused."""
        if self._astray:
            self.load(self.state.manifest)
