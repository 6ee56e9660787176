"""The review of one manifest version, in memory: a function of its rows and of two tables, decisions and leases."""

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from manifests.decisions.decision import MaskKey, reasons_of
from manifests.decisions.log import DecisionLog
from manifests.decisions.policy import Policy
from manifests.files.blobs import BlobStore
from manifests.store.manifest import Manifest
from review_ui.quality.gold import GoldSample
from review_ui.queue.decision_state import StandingDecisions
from review_ui.queue.gold_mix import GoldMix, as_sample
from review_ui.queue.leases import Lease, Leases
from review_ui.queue.messages import QueueProgress
from review_ui.queue.open_samples import OpenSample, ReviewQueue, Rows
from review_ui.queue.queue_filter import NO_FILTER, BadFilter, QueueFilter
from review_ui.queue.selections import Selection, Selections
from review_ui.reviewer import Reviewer


class Tables:
    """What the two tables hold, whichever version is under review."""

    def __init__(self) -> None:
        self.standing = StandingDecisions()
        self.leases = Leases()
        self.seq = 0  # of the last decision that was read


class ReviewState:
    """Open samples, decisions and leases; `catch_up` reads new rows of both tables. One thread at a time."""

    def __init__(
        self, manifest: Manifest, queue: ReviewQueue, log: DecisionLog, policy: Policy, mix: GoldMix,
        now: Callable[[], datetime], *, is_audit: bool = False, tables: Tables | None = None,
    ) -> None:  # fmt: skip
        """Start from the version's rows and `tables` as far as they were read; the caller catches up."""
        self.selections = Selections(manifest, queue, is_audit=is_audit, has_gold=mix.rates.gold > 0)
        self.manifest = manifest
        self.queue = queue
        self.mix = mix
        self.now = now
        self.second_look = {sample.key: sample for sample in queue.with_status("conflict")}
        self.set_aside: dict[MaskKey, str] = {}
        self.tables = tables or Tables()
        self.standing, self.leases = self.tables.standing, self.tables.leases
        self._log = log
        self._policy = policy
        self._blobs = BlobStore(manifest.data_root)
        self._disguises: dict[MaskKey, float | None] = {}  # doubts shown with gold samples
        for key in self.standing.masks():
            self.settle(key)
        for key in self.leases.masks():
            self._count_holders(key)

    def catch_up(self, connection: sa.Connection) -> None:
        """Read the new rows of both tables, and settle every mask in them."""
        changed: dict[MaskKey, None] = {}
        for seq, event in self._log.events_after(self.tables.seq, connection):
            self.tables.seq = seq
            self.standing.apply(event)
            changed.pop(event.key, None)  # ordered by the last events
            changed[event.key] = None
        for key in changed:
            self.settle(key)
        late = self.leases.run_out(self.now())
        for key in {*self.leases.catch_up(connection), *(lease.key for lease in late)}:
            self._count_holders(key)

    def settle(self, key: MaskKey) -> None:
        """Put a mask's sample where its standing decisions require: work, second look, or done."""
        sample = self.current(key)
        if sample is None or key in self.set_aside:
            return
        verdict, last = self.standing.outcome(key), self.standing.last(key)
        judged = self.standing.judged(key)
        status = verdict.status(self._policy) if judged else self.queue.published_status(sample.sample_id)
        flagged = self.standing.flagged(key, unanswered=status != "pending")
        self.second_look.pop(key, None)
        if status == "conflict" or flagged:
            self.second_look[key] = sample
            self.queue.want(sample.sample_id, 0)
        elif status == "pending":
            skipped = last is not None and last.verdict == "skip"
            self.queue.want(sample.sample_id, self._policy.votes - len(verdict.standing), put_off=skipped)
        else:
            self.queue.want(sample.sample_id, 0)

    def lease(self, lease: Lease) -> None:
        """Apply a lease before it is written: the next choice respects it."""
        self.leases.note(lease)
        self._count_holders(lease.key)

    def holders(self, key: MaskKey) -> list[Lease]:
        """Live leases on a mask."""
        return self.leases.holders(key, self.now())

    def current(self, key: MaskKey) -> OpenSample | None:
        """The sample, if the queue has it with this mask."""
        sample = self.queue.find(key[0])
        return sample if sample and sample.key == key else None

    def shown(self, key: MaskKey) -> OpenSample | None:
        """The sample as a reviewer sees it, gold too."""
        gold = self.mix.gold.get(key)
        return self.disguised(gold) if gold else self.current(key)

    def disguised(self, gold: GoldSample) -> OpenSample:
        """A gold sample that looks like work; it keeps the doubt that it was shown with."""
        if gold.key not in self._disguises:
            self.disguise_as_one_of(gold, None)
        return as_sample(gold, self._disguises[gold.key])

    def disguise_as_one_of(self, gold: GoldSample, rows: Rows | None) -> None:
        """Give a gold sample the doubt of one of these rows, or of all."""
        self._disguises[gold.key] = self.queue.some_doubt(gold.sample_id, rows)

    def selection(self, wanted: QueueFilter, *, fresh: bool = False) -> Selection | None:
        """The rows that pass; None without a filter. `fresh` allows slow work. Raises BadFilter."""
        if wanted == NO_FILTER:
            return None
        image = self._image_of(wanted.like) if wanted.like else ""
        kept = None if fresh else self.selections.kept(wanted, image)
        return kept or self.selections.of(wanted, image)

    def reasons(self, key: MaskKey) -> set[str]:
        """The reasons of the reviewers' last votes and flags on a mask."""
        latest = {d.reviewer: d.reason for d in self.standing.on(key) if d.is_vote or d.is_flag}
        return {single for reason in latest.values() for single in reasons_of(reason)}

    def _image_of(self, sample_id: str) -> str:
        """The image of a sample, gold too: it must not give itself away."""
        sample = self.queue.find(sample_id)
        images = (
            [sample.image_sha256]
            if sample
            else [g.image_sha256 for g in self.mix.gold.values() if g.sample_id == sample_id]
        )
        if not images:
            version = self.manifest.version
            raise BadFilter(f"expected a sample under review in v{version} as like, found {ascii(sample_id)[:60]}")
        return images[0]

    def is_whole(self, sample: OpenSample) -> bool:
        """Whether all its files exist; a sample that lacks one is set aside for the lead."""
        files = {"photograph": sample.image_sha256, "mask": sample.mask_sha256, "rival": sample.rival_mask_sha256}
        for what, digest in files.items():
            if digest and self._blobs.local_file(digest) is None:
                self.set_aside[sample.key] = (
                    f"{sample.sample_id}: expected its {what} {digest[:12]} in {self._blobs.root}, found "
                    f"{self._blobs.absence(digest)}"
                )
                self.queue.want(sample.sample_id, 0)
                return False
        return True

    def progress(self, reviewer: Reviewer) -> QueueProgress:
        """Progress with gold and repeats in both numbers: a number that stands still would reveal them."""
        measured = len(self.standing.measured(reviewer.name))
        total = len(self.queue) - len(self.set_aside)
        flagged = sum(not self.standing.outcome(key).standing for key in self.second_look)
        return QueueProgress(total - self.queue.waiting - flagged + measured, total + measured, flagged)

    def _count_holders(self, key: MaskKey) -> None:
        if self.current(key):
            holders = [lease for lease in self.holders(key) if lease.purpose == "work"]
            self.queue.hold(key[0], len(holders))
