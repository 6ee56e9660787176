"""The review session: what waits, what reviewers say about it, and what becomes of it. No web in here.

The state is a function of one manifest version and two append-only tables, decisions and leases. Every change is
one transaction under the database's writer lock: read on to the end of both tables, decide, write. So several
servers on one database act as one, a restart loses nothing, and no two people get the same sample.

All methods may be called from several threads; `publish` moves on to the version it made.
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal

import sqlalchemy as sa

from manifests.decisions.decision import Decision, MaskKey, Purpose
from manifests.decisions.log import DecisionLog
from manifests.decisions.policy import Policy
from manifests.decisions.publish import publish
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.store.manifest import Manifest, ManifestStore
from review_ui.quality.gold import GoldSample
from review_ui.queue.decision_state import StandingDecisions
from review_ui.queue.gold_mix import Mix, Rates, as_sample
from review_ui.queue.leases import Lease, Leases, ended
from review_ui.queue.open_samples import ReviewQueue, Sample
from review_ui.queue.submission import Refused, Submission, read_submission, submitted_id
from review_ui.reviewer import Reviewer

LEASE_SECONDS = 600  # long enough for a page's 16 prefetched samples and a coffee
LOOK_SECONDS = 30  # between two looks for a newer version while samples wait

QueueName = Literal["work", "second_look"]


class UnknownDecision(UserError):
    """The reviewer never made this decision."""


@dataclass(frozen=True, slots=True)
class Wish:
    """`count` samples for one tab of a reviewer's."""

    reviewer: Reviewer
    count: int
    tab: str
    queue: QueueName


@dataclass(frozen=True, slots=True)
class Progress:
    """Samples that have a verdict, published or not, out of all that people judge."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Handout:
    """Samples to judge next, and how many wait in all (these, and those on other screens, included).

    `verdicts` is what others said about each sample of a second look; empty for work.
    """

    samples: list[Sample]
    verdicts: dict[MaskKey, list[Decision]]
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
    """Everybody's work on the dataset in `store`, starting from `manifest`."""

    def __init__(
        self,
        manifest: Manifest,
        store: ManifestStore,
        log: DecisionLog,
        *,
        votes: int = 1,
        rates: Rates | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._log = log
        self._policy = Policy(votes=votes)
        self._now = now
        self._mix = Mix(rates or Rates(), rng or random.Random())
        self._lock = threading.Lock()
        with log.writing() as connection:
            Leases.prepare(connection, now())
        self._load(manifest)

    # For one reviewer -------------------------------------------------------------------------------------------

    def next(self, reviewer: Reviewer, count: int, *, tab: str = "", queue: QueueName = "work") -> Handout:
        """`count` samples for a tab: those it has already, then new ones. It holds them until the lease expires.

        A version that came since is taken up, at the latest when nothing waits.
        """
        return self.next_all([Wish(reviewer, count, tab, queue)])[0]

    def next_all(self, wishes: Sequence[Wish]) -> list[Handout]:
        """`next` for several tabs, in one transaction."""
        granted: list[Lease] = []
        with self._lock:
            self._look_for_newer()
            with self._writing() as connection:
                handouts = [self._hand_out(wish, granted) for wish in wishes]
                self._leases.write(connection, granted)
        return handouts

    def decide(self, reviewer: Reviewer, batch: Sequence[object]) -> Receipt:
        """Store decisions (JSON objects, see DESIGN); on disk when this returns. DatabaseAway when it is not.

        A verdict on a sample that the reviewer has judged replaces it; a decision_id that was stored before
        changes nothing.
        """
        return self.decide_all([(reviewer, batch)])[0]

    def decide_all(self, requests: Sequence[tuple[Reviewer, Sequence[object]]]) -> list[Receipt]:
        """`decide` for several people, in one transaction."""
        written: list[Decision] = []
        with self._lock, self._writing() as connection:
            receipts = [self._note(reviewer, batch, written) for reviewer, batch in requests]
            self._log.append(written, connection)
            judged = dict.fromkeys((decision.key, decision.reviewer) for decision in written)
            leases = [self._leases.last(key, reviewer) for key, reviewer in judged]
            self._leases.write(connection, [ended(lease) for lease in leases if lease and not lease.ended])
        return receipts

    def undo(self, reviewer: Reviewer, decision_id: str, *, tab: str = "") -> Undone:
        """Take back one of the reviewer's decisions and those it had replaced: the sample is on the tab again.

        Raises UnknownDecision. Undoing twice is harmless.
        """
        with self._lock, self._writing() as connection:
            named = self._standing.find(decision_id)
            earlier = self._standing.replaced_by(named) if named and named.reviewer == reviewer.name else []
            for decision in earlier:
                self._log.undo(decision.decision_id, reviewer=reviewer.name, now=self._now(), connection=connection)
            undone = self._log.undo(decision_id, reviewer=reviewer.name, now=self._now(), connection=connection)
            if undone and named:
                until = self._now() + timedelta(seconds=LEASE_SECONDS)
                self._leases.write(connection, [Lease(undone.key, reviewer.name, tab, undone.purpose, until)])
        if undone is None:
            raise UnknownDecision(f"expected a decision of {reviewer.name}, found none named {ascii(decision_id)[:60]}")
        return Undone(decision_id, self._shown(undone.key))

    def release(self, reviewer: Reviewer, tab: str) -> int:
        """Give back what a tab holds, for it goes away; how many samples that were."""
        with self._lock, self._writing() as connection:
            held = [lease for lease in self._leases.open_of(reviewer.name) if lease.tab == tab]
            self._leases.write(connection, map(ended, held))
        return len(held)

    def history(self, reviewer: Reviewer, count: int) -> list[tuple[Decision, Sample]]:
        """The reviewer's last word on each of the `count` samples decided last, newest first."""
        with self._reading():
            newest = ((decision, self._shown(decision.key)) for decision in self._standing.newest(reviewer.name))
            return list(islice(((decision, sample) for decision, sample in newest if sample), count))

    # For the lead -----------------------------------------------------------------------------------------------

    @property
    def manifest(self) -> Manifest:
        """The version under review."""
        return self._manifest

    @property
    def policy(self) -> Policy:
        """When a mask leaves the queue."""
        return self._policy

    def publish(self, policy: Policy | None = None) -> Manifest:
        """Make the next version from the log and move on to it; NothingToPublish when it would be the same."""
        manifest = publish(self._store, self._log, policy or self._policy)
        queue = self._queue_of(manifest)  # takes a while; the others go on
        with self._lock:
            self._load(manifest, queue)
        return manifest

    def decisions(self) -> list[Decision]:
        """Everybody's decisions that stand, oldest first."""
        with self._reading():
            return self._standing.all()

    def gold(self) -> Mapping[MaskKey, GoldSample]:
        return self._mix.gold

    def use_gold(self, gold: Mapping[MaskKey, GoldSample]) -> None:
        """Mix these into the stream from now on."""
        self._mix.gold = gold

    def second_look(self) -> int:
        """Samples on which reviewers disagree, or that one flagged."""
        with self._reading():
            return len(self._second_look)

    def problems(self) -> list[str]:
        """Samples that were set aside, with the reason."""
        with self._lock:
            return list(self._set_aside.values())

    # Inside -----------------------------------------------------------------------------------------------------

    def _load(self, manifest: Manifest, queue: ReviewQueue | None = None) -> None:
        """Start from `manifest`: its rows, then everything the two tables say."""
        self._manifest = manifest
        self._newest = max(manifest.version, self._store.latest() or 0)
        self._look_again = self._now() + timedelta(seconds=LOOK_SECONDS)
        self._queue = queue or self._queue_of(manifest)
        self._astray = False
        self._blobs = BlobStore(manifest.data_root)
        self._second_look = {sample.key: sample for sample in self._queue.with_status("conflict")}
        self._set_aside: dict[MaskKey, str] = {}
        self._standing = StandingDecisions()
        self._leases = Leases()
        self._seq = 0
        with self._log.reading() as connection:
            self._catch_up(connection)

    def _look_for_newer(self) -> None:
        """Take up a version that was committed since the last look: its samples may have other masks."""
        if self._queue.waiting and self._now() < self._look_again:
            return
        self._look_again = self._now() + timedelta(seconds=LOOK_SECONDS)
        newest = self._store.latest() or 0
        if newest > self._newest:
            self._load(self._store.open(newest))

    def _queue_of(self, manifest: Manifest) -> ReviewQueue:
        return ReviewQueue(manifest, votes=self._policy.votes)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction that begins with everything that was written before; what it writes itself, the next reads."""
        if self._astray:
            self._load(self._manifest)
        with self._log.writing() as connection:
            self._catch_up(connection)
            self._astray = True  # until the transaction is through: memory may hold what the database then refuses
            yield connection
        self._astray = False

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """The session to oneself, with everything that was written before."""
        with self._lock:
            if self._astray:
                self._load(self._manifest)
            with self._log.reading() as connection:
                self._catch_up(connection)
            yield

    def _catch_up(self, connection: sa.Connection) -> None:
        changed: dict[MaskKey, None] = {}
        for seq, event in self._log.events_after(self._seq, connection):
            self._seq = seq
            self._standing.apply(event)
            changed.pop(event.key, None)  # so that the order is that of the last events
            changed[event.key] = None
        for key in changed:
            self._settle(key)
        late = self._leases.run_out(self._now())
        for key in {*self._leases.catch_up(connection), *(lease.key for lease in late)}:
            self._count_holders(key)

    def _settle(self, key: MaskKey) -> None:
        """Put a mask's sample where the standing decisions want it."""
        sample = self._current(key)
        if sample is None or key in self._set_aside:
            return
        outcome, last = self._standing.outcome(key), self._standing.last(key)
        judged = self._standing.judged(key)
        status = outcome.status(self._policy) if judged else self._queue.published_status(sample.sample_id)
        flagged = self._standing.flagged(key, unanswered=status != "pending")
        self._second_look.pop(key, None)
        if status == "conflict" or flagged:
            self._second_look[key] = sample
            self._queue.want(sample.sample_id, 0)
        elif status == "pending":
            skipped = last is not None and last.verdict == "skip"
            self._queue.want(sample.sample_id, self._policy.votes - len(outcome.standing), put_off=skipped)
        else:
            self._queue.want(sample.sample_id, 0)

    def _count_holders(self, key: MaskKey) -> None:
        if self._current(key):
            holders = [lease for lease in self._leases.holders(key, self._now()) if lease.purpose == "work"]
            self._queue.hold(key[0], len(holders))

    def _hand_out(self, wish: Wish, granted: list[Lease]) -> Handout:
        """What a tab gets; leases that are new or renewed are added to `granted`, and hold in memory from now on."""
        reviewer, count, tab, queue = wish.reviewer, wish.count, wish.tab, wish.queue
        until = self._now() + timedelta(seconds=LEASE_SECONDS)
        held = self._held(reviewer, tab, queue)[:count]
        fresh = self._choose(reviewer, count - len(held), queue)
        if not held and not fresh:  # what the reviewer has in other tabs; one may have been closed
            held = self._held(reviewer, None, queue)[:count]
        leases = [self._renewed(lease, tab, until) for lease, _ in held]
        leases += [Lease(sample.key, reviewer.name, tab, purpose, until) for sample, purpose in fresh]
        for lease in leases:
            if lease.expires_at == until:
                granted.append(lease)
                self._leases.note(lease)
                self._count_holders(lease.key)
        samples = [sample for _, sample in held] + [sample for sample, _ in fresh]
        return Handout(
            samples=samples,
            verdicts=self._verdicts(samples) if queue == "second_look" else {},
            remaining=self._queue.waiting if queue == "work" else len(self._second_look),
            progress=self._progress(reviewer),
            lease_expires_at=min((lease.expires_at for lease in leases), default=until),
            manifest=str(self._manifest.path),
        )

    def _renewed(self, lease: Lease, tab: str, until: datetime) -> Lease:
        """The lease itself while more than half of its time is left."""
        fresh_enough = lease.expires_at > until - timedelta(seconds=LEASE_SECONDS / 2)
        return lease if fresh_enough and lease.tab == tab else replace(lease, tab=tab, expires_at=until)

    def _held(self, reviewer: Reviewer, tab: str | None, queue: QueueName) -> list[tuple[Lease, Sample]]:
        """What the tab (None: any) has already, in the queue's order; what measures stays before the same work."""
        held = []
        place = len(self._queue) * 2
        for lease in reversed(list(self._leases.open_of(reviewer.name))):
            if tab not in (None, lease.tab) or (lease.purpose == "second_look") != (queue == "second_look"):
                continue
            sample = self._shown(lease.key)
            if sample and self._is_open(lease):
                place = self._queue.place(sample.sample_id) if lease.purpose == "work" else place
                held.append((place, lease.purpose == "work", lease, sample))
        return [(lease, sample) for _, _, lease, sample in sorted(held, key=lambda entry: entry[:2])]

    def _is_open(self, lease: Lease) -> bool:
        """Whether its mask still wants what it was handed out for."""
        if lease.purpose == "work":
            return self._queue.wanted(lease.key[0]) > 0
        return lease.purpose != "second_look" or lease.key in self._second_look

    def _choose(self, reviewer: Reviewer, count: int, queue: QueueName) -> list[tuple[Sample, Purpose]]:
        """New samples for a reviewer, with what each is shown for."""
        if queue == "second_look":
            free = (sample for key, sample in self._second_look.items() if not self._is_looked_at(key))
            return [(sample, "second_look") for sample in islice(free, count)]
        chosen: list[tuple[Sample, Purpose]] = []
        for sample in self._work(reviewer):
            if len(chosen) >= count:
                break
            measuring = self._measuring(reviewer, {shown.key for shown, _ in chosen})
            chosen += [measuring, (sample, "work")] if measuring else [(sample, "work")]
        return chosen[:count]

    def _work(self, reviewer: Reviewer) -> Iterator[Sample]:
        """Free samples that the reviewer has neither judged nor on a screen; broken ones are set aside."""
        for sample in self._queue.free():
            said = self._standing.last_of(reviewer.name, sample.key)
            if said is not None and said.verdict != "skip":
                continue
            if any(lease.reviewer == reviewer.name for lease in self._leases.holders(sample.key, self._now())):
                continue
            if self._is_whole(sample):
                yield sample

    def _measuring(self, reviewer: Reviewer, chosen: set[MaskKey]) -> tuple[Sample, Purpose] | None:
        """With the mix's chances, a sample that measures the reviewer."""
        purpose = self._mix.purpose()
        if purpose == "work":
            return None
        on_screen = {lease.key for lease in self._leases.open_of(reviewer.name)}
        seen = self._standing.measured(reviewer.name) | on_screen | chosen
        if purpose == "gold":
            gold = self._mix.choose_gold(seen)
            return (self._disguised(gold), "gold") if gold else None
        vote = self._mix.choose_repeat(reviewer.name, self._standing, seen)
        sample = self._current(vote.key) if vote else None
        return (sample, "repeat") if sample else None

    def _is_looked_at(self, key: MaskKey) -> bool:
        return any(lease.purpose == "second_look" for lease in self._leases.holders(key, self._now()))

    def _is_whole(self, sample: Sample) -> bool:
        """Whether both files are there; a sample that lacks one waits no longer and is named to the lead."""
        for what, digest in (("photograph", sample.image_sha256), ("mask", sample.mask_sha256)):
            if self._blobs.find(digest) is None:
                self._set_aside[sample.key] = (
                    f"{sample.sample_id}: expected its {what} {digest[:12]} in {self._blobs.root}, found "
                    f"{self._blobs.absence(digest)}"
                )
                self._queue.want(sample.sample_id, 0)
                return False
        return True

    def _note(self, reviewer: Reviewer, batch: Sequence[object], written: list[Decision]) -> Receipt:
        """What becomes of a batch; decisions that are new are added to `written`."""
        stored, refused = [], []
        for raw in batch:
            try:
                submission = read_submission(raw)
                if not self._standing.knows(submission.decision_id):
                    written.append(self._accept(reviewer, submission))
                stored.append(submission.decision_id)
            except Refused as error:
                refused.append(Refusal(submitted_id(raw), str(error)))
        return Receipt(stored, refused)

    def _accept(self, reviewer: Reviewer, submission: Submission) -> Decision:
        """The decision, noted in memory, so that the rest of its batch is judged after it; Refused if it can't be."""
        lease = self._leases.last(submission.key, reviewer.name)
        self._check(reviewer, submission, lease)
        purpose = self._purpose(reviewer, submission.key, lease)
        decision = submission.by(reviewer.name, self._now(), purpose)
        self._standing.apply(decision)
        self._settle(decision.key)
        return decision

    def _purpose(self, reviewer: Reviewer, key: MaskKey, lease: Lease | None) -> Purpose:
        """What the mask was shown to the reviewer for."""
        if lease:
            return lease.purpose
        said = self._standing.last_of(reviewer.name, key)
        if said:
            return said.purpose
        return "gold" if key in self._mix.gold else "work"

    def _check(self, reviewer: Reviewer, submission: Submission, lease: Lease | None) -> None:
        """Refused unless the decision is about a mask that is under review now, and the reviewer's to judge."""
        key = submission.key
        version = f"v{self._manifest.version}"
        if key in self._mix.gold:
            return
        sample = self._queue.find(submission.sample_id)
        if sample is None:
            raise Refused(f"expected a sample under review in {version}, found {ascii(submission.sample_id)[:60]}")
        if sample.mask_sha256 != submission.mask_sha256:
            raise Refused(
                f"expected a verdict on mask {sample.mask_sha256[:12]} of sample {sample.sample_id} in {version}, "
                f"found one on {ascii(submission.mask_sha256)[:14]}; look at the new mask"
            )
        if (lease and lease.is_live(self._now())) or self._standing.last_of(reviewer.name, key):
            return
        if lease and lease.purpose != "work":
            return  # it came too late to be anybody else's
        others = [holder.reviewer for holder in self._leases.holders(key, self._now()) if holder.purpose == "work"]
        if self._queue.wanted(sample.sample_id) <= len(others):
            judged = [decision.reviewer for decision in self._standing.outcome(key).standing]
            found = f"{_names(others)} looking at it" if others else f"it judged by {_names(judged)}"
            raise Refused(
                f"expected sample {sample.sample_id} to be yours to judge, found {found}; your lease had ended"
            )

    def _verdicts(self, samples: list[Sample]) -> dict[MaskKey, list[Decision]]:
        """What others said of each sample, each one's last word."""
        return {
            sample.key: list({d.reviewer: d for d in self._standing.on(sample.key) if _tells(d)}.values())
            for sample in samples
        }

    def _progress(self, reviewer: Reviewer) -> Progress:
        """Gold and repeats count, in both numbers: the reviewer can't tell them by a number that stands still."""
        measured = len(self._standing.measured(reviewer.name))
        total = len(self._queue) - len(self._set_aside)
        return Progress(done=total - self._queue.waiting + measured, total=total + measured)

    def _current(self, key: MaskKey) -> Sample | None:
        """The sample, if the queue has it with exactly this mask."""
        sample = self._queue.find(key[0])
        return sample if sample and sample.key == key else None

    def _shown(self, key: MaskKey) -> Sample | None:
        """The sample as a reviewer sees it, gold too."""
        gold = self._mix.gold.get(key)
        return self._disguised(gold) if gold else self._current(key)

    def _disguised(self, gold: GoldSample) -> Sample:
        return as_sample(gold, self._queue.some_doubt(gold.sample_id))


def _names(reviewers: Sequence[str]) -> str:
    return ", ".join(reviewers) or "others"


def _tells(decision: Decision) -> bool:
    """Whether a lead wants to see it at the second look: a vote, or a flag."""
    return decision.is_vote or decision.is_flag
