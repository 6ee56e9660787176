"""The review session: what waits, what a reviewer says about it, and what becomes of it. No web in here.

The state is a function of one manifest version and the decision log; `publish` moves on to the version it made.
All methods may be called from several threads. For now there is one reviewer, so no two people can meet on a
sample and a lease only says until when a sample is meant to be held: asking again hands out the same samples.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from manifests.decisions import Decision, DecisionLog, MaskKey
from manifests.errors import UserError
from manifests.publish import publish
from manifests.store import Manifest, ManifestStore
from review_ui.queue import ReviewQueue, Sample
from review_ui.standing import StandingDecisions
from review_ui.submission import Refused, read_decision, submitted_id

LOCAL_REVIEWER = "local"
LEASE_SECONDS = 600  # long enough for a page's 16 prefetched samples and a coffee


class UnknownDecision(UserError):
    """The reviewer never made this decision."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Samples that have a verdict, published or not, out of all that a person judges."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Handout:
    """Samples to judge next, and how many wait in all (these included)."""

    samples: list[Sample]
    remaining: int
    progress: Progress
    lease_expires_at: datetime
    manifest: str


@dataclass(frozen=True, slots=True)
class Refusal:
    decision_id: str | None
    error: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Which decisions of a batch are on disk, and which are not, with the reason."""

    stored: list[str]
    refused: list[Refusal]


@dataclass(frozen=True, slots=True)
class Undone:
    """The decision taken back and its sample; None when the queue no longer has that mask."""

    decision_id: str
    sample: Sample | None


class ReviewSession:
    """One reviewer's work on the dataset in `store`, starting from `manifest`."""

    def __init__(
        self,
        manifest: Manifest,
        store: ManifestStore,
        log: DecisionLog,
        *,
        reviewer: str = LOCAL_REVIEWER,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._log = log
        self._reviewer = reviewer
        self._now = now
        self._lock = threading.Lock()
        self._load(manifest)

    @property
    def manifest(self) -> Manifest:
        """The version under review."""
        return self._manifest

    def next(self, count: int) -> Handout:
        """The `count` samples that come next. Once nothing waits, a newer version is looked for and taken up."""
        with self._lock:
            if not self._queue.waiting and (self._store.latest() or 0) > self._manifest.version:
                self._load(self._store.open())
            return Handout(
                samples=self._queue.first(count),
                remaining=self._queue.waiting,
                progress=Progress(done=len(self._queue) - self._queue.waiting, total=len(self._queue)),
                lease_expires_at=self._now() + timedelta(seconds=LEASE_SECONDS),
                manifest=str(self._manifest.path),
            )

    def decide(self, batch: Sequence[object]) -> Receipt:
        """Store decisions (JSON objects, see DESIGN); on disk when this returns. UserError when the log refuses.

        A verdict on a sample that has one replaces it; a decision_id that was stored before changes nothing.
        """
        accepted, refused = [], []
        with self._lock:
            for raw in batch:
                try:
                    accepted.append(self._check(read_decision(raw, reviewer=self._reviewer, decided_at=self._now())))
                except Refused as error:
                    refused.append(Refusal(submitted_id(raw), str(error)))
            stored = self._log.append(accepted)
            for decision in accepted:
                if self._standing.add(decision):
                    self._settle(decision.key)
        return Receipt(stored, refused)

    def undo(self, decision_id: str) -> Undone:
        """Take back one of the reviewer's decisions and those it had replaced: the sample waits again.

        Raises UnknownDecision. Undoing twice is harmless.
        """
        with self._lock:
            named = self._standing.find(decision_id)
            earlier = self._standing.replaced_by(named) if named else []
            for decision in earlier:  # oldest first: when this is cut short, the same call finishes it
                self._take_back(decision.decision_id)
            undone = self._take_back(decision_id)
            return Undone(decision_id, self._current(undone.key))

    def history(self, count: int) -> list[tuple[Decision, Sample]]:
        """The reviewer's last word on each of the `count` samples decided last, newest first."""
        with self._lock:
            newest = ((decision, self._current(decision.key)) for decision in self._standing.newest(self._reviewer))
            return list(islice(((decision, sample) for decision, sample in newest if sample), count))

    def publish(self) -> Manifest:
        """Make the next version from the log and move on to it; NothingToPublish when it would be the same."""
        manifest = publish(self._store, self._log)
        with self._lock:
            self._load(manifest)
        return manifest

    def _load(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._queue = ReviewQueue(manifest)
        self._standing = StandingDecisions(self._log)
        for key in self._standing.masks():
            self._settle(key)

    def _settle(self, key: MaskKey) -> None:
        """Put a mask's sample where the standing decisions want it."""
        if not self._current(key):
            return
        sample_id = key[0]
        last = self._standing.last(key)
        if (self._standing.status(key) or self._queue.published_status(sample_id)) != "pending":
            self._queue.finish(sample_id)
        elif last and last.verdict == "skip":
            self._queue.put_off(sample_id)
        else:
            self._queue.take_up(sample_id)

    def _take_back(self, decision_id: str) -> Decision:
        undone = self._log.undo(decision_id, reviewer=self._reviewer, now=self._now())
        if undone is None:
            raise UnknownDecision(
                f"expected a decision of {self._reviewer}, found none named {ascii(decision_id)[:60]}"
            )
        self._standing.remove(undone)
        self._settle(undone.key)
        return undone

    def _check(self, decision: Decision) -> Decision:
        """The decision, if it is about a mask that is in the queue now; Refused otherwise."""
        sample = self._queue.find(decision.sample_id)
        version = f"v{self._manifest.version}"
        if sample is None:
            raise Refused(f"expected a sample under review in {version}, found {ascii(decision.sample_id)[:60]}")
        if sample.mask_sha256 != decision.mask_sha256:
            raise Refused(
                f"expected a verdict on mask {sample.mask_sha256[:12]} of sample {sample.sample_id} in {version}, "
                f"found one on {ascii(decision.mask_sha256)[:14]}; look at the new mask"
            )
        return decision

    def _current(self, key: MaskKey) -> Sample | None:
        """The sample, if the queue has it with exactly this mask."""
        sample = self._queue.find(key[0])
        return sample if sample and sample.key == key else None
