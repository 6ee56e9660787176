"""The review session: assign samples and store decisions; its publisher makes versions. No web in here.

Every change is one transaction under the database's writer lock: read the new rows of both tables, decide, write.
So several servers on one database act as one, a restart loses nothing, and no two people get the same sample.

All methods may be called from several threads.
"""

import random
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

from manifests.decisions.activity import ActivityLog
from manifests.decisions.audit import AuditedPart
from manifests.decisions.decision import Decision, MaskKey
from manifests.decisions.log import DecisionLog
from manifests.decisions.policy import Policy
from manifests.store.labelling_runs import LabellingRuns
from manifests.store.manifest import Manifest, ManifestStore
from manifests.web.webhooks import Delivery, WebhookSender
from review_ui.quality.gold import GoldSample
from review_ui.queue.assignments import assign, leases_ended_by, open_sample
from review_ui.queue.events import SessionEvent, events_of
from review_ui.queue.filters import Filters
from review_ui.queue.gold_mix import GoldMix, Rates
from review_ui.queue.guideline import Guideline
from review_ui.queue.leases import Lease, ended
from review_ui.queue.live_state import LiveState
from review_ui.queue.messages import Assignment, DecisionResult, NextRequest, UndoResult
from review_ui.queue.open_samples import OpenSample
from review_ui.queue.publisher import Publisher
from review_ui.queue.queue_filter import BadFilter
from review_ui.queue.queues import QUEUES
from review_ui.queue.review_state import ReviewState
from review_ui.queue.verdicts import accept_batch, take_back
from review_ui.reviewer import Reviewer


class ReviewSession:
    """All reviewers' work on the dataset in `store`, starting from `manifest`."""

    def __init__(
        self,
        manifest: Manifest,
        store: ManifestStore,
        log: DecisionLog,
        *,
        votes: int = 1,
        rates: Rates | None = None,
        audit: AuditedPart | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: random.Random | None = None,
        webhooks: WebhookSender | None = None,
    ) -> None:
        self.policy = Policy(votes=votes)  # when a mask leaves the queue
        self._log = log
        self._webhooks = webhooks or WebhookSender([])
        self._mix = GoldMix(rates or Rates(), rng or random.Random())  # noqa: S311 - it chooses samples, no secret
        self.guideline = Guideline(manifest.data_root)
        self.activity = ActivityLog(log, now=now)
        self._live = LiveState(manifest, store, log, self.policy, self._mix, now, audit)
        self._labelling = LabellingRuns(store.root)
        self._lock = threading.Lock()
        self.filters = Filters(self._live, self._lock)
        self.publisher = Publisher(store, log, self.policy, self._live, self._lock, self._send)

    @property
    def shows_names(self) -> bool:
        """Whether reviewers see the names of files; not where gold is mixed in, which they would give away."""
        return not self._mix.rates.gold

    @property
    def manifest(self) -> Manifest:
        """The version under review."""
        return self._live.state.manifest

    def next_all(self, requests: Sequence[NextRequest]) -> list[Assignment | BadFilter]:
        """Assign samples to several tabs in one transaction: those each tab has already, then new ones.

        A tab holds its samples until the lease expires. A newer version is loaded first, at the latest when
        nothing waits. A request whose filter makes no sense in it gets its BadFilter in the place of an assignment.
        """
        with self._lock:
            self._live.look_for_newer()
            with self._live.writing() as (state, connection):
                assignments = [_assigned(state, request) for request in requests]
                state.leases.write(connection, [lease for _, granted in assignments for lease in granted])
        labelling = self._labelling.live()
        return [
            replace(answer, labelling=labelling) if isinstance(answer, Assignment) else answer
            for answer, _ in assignments
        ]

    def decide_all(self, requests: Sequence[tuple[Reviewer, Sequence[object]]]) -> list[DecisionResult]:
        """Store several reviewers' decisions (JSON objects, see DESIGN) in one transaction; on disk when it returns.

        A verdict on a sample that the reviewer has judged replaces it; a stored decision_id changes nothing.
        Raises DatabaseAway.
        """
        with self._lock:
            with self._live.writing() as (state, connection):
                waiting = state.queue.waiting
                results = [accept_batch(state, reviewer, batch) for reviewer, batch in requests]
                decisions = [decision for _, new in results for decision in new]
                self._log.append(decisions, connection)
                state.leases.write(connection, leases_ended_by(state, decisions))
            events = events_of(state, decisions, waiting_before=waiting)
        self._send(events)
        return [result for result, _ in results]

    def undo(self, reviewer: Reviewer, decision_id: str, *, tab: str = "") -> UndoResult:
        """Take back one of the reviewer's decisions and those it replaced: the sample is on the tab again.

        Raises UnknownDecision. Undoing twice is harmless.
        """
        with self._lock, self._live.writing() as (state, connection):
            undone, leases = take_back(state, self._log, reviewer, decision_id, tab=tab, connection=connection)
            state.leases.write(connection, leases)
        return UndoResult(decision_id, state.shown(undone.key))

    def visit(self, reviewer: Reviewer, sample_id: str, *, tab: str = "") -> tuple[OpenSample, list[Decision]]:
        """Open any sample for a lead, decided or not, and the standing decisions on it; a verdict is a second look.

        Raises UnknownSample.
        """
        with self._lock, self._live.writing() as (state, connection):
            sample, lease = open_sample(state, reviewer, sample_id, tab=tab)
            state.leases.write(connection, [lease])
            latest = {d.reviewer: d for d in state.standing.on(sample.key) if d.is_vote or d.is_flag}
        return sample, list(latest.values())

    def release(self, reviewer: Reviewer, tab: str) -> int:
        """End the leases of a tab that closes; return their number."""
        with self._lock, self._live.writing() as (state, connection):
            held = [lease for lease in state.leases.open_of(reviewer.name) if lease.tab == tab]
            state.leases.write(connection, map(ended, held))
        return len(held)

    def find(self, key: MaskKey) -> OpenSample | None:
        """The sample with this mask as reviewers see it; None when it isn't under review."""
        with self._lock, self._live.reading() as state:
            return state.shown(key)

    def history(self, reviewer: Reviewer, count: int) -> list[tuple[Decision, OpenSample]]:
        """The reviewer's last decision on each of the `count` latest samples, newest first."""
        with self._lock, self._live.reading() as state:
            newest = ((decision, state.shown(decision.key)) for decision in state.standing.newest(reviewer.name))
            return list(islice(((decision, sample) for decision, sample in newest if sample), count))

    def _send(self, events: Sequence[SessionEvent]) -> None:
        for event, data in events:
            self._webhooks.send(event, data)

    def deliveries(self) -> list[Delivery]:
        """The last deliveries to webhooks, newest first."""
        return self._webhooks.deliveries()

    def close(self) -> None:
        """Stop embedding images, which keeps what is embedded, and the webhooks, which gives up what still waits."""
        self._live.state.selections.close()
        self._webhooks.close()

    def decisions(self) -> list[Decision]:
        """All standing decisions, oldest first."""
        with self._lock, self._live.reading() as state:
            return state.standing.all()

    def gold(self) -> Mapping[MaskKey, GoldSample]:
        """The gold samples in the mix."""
        return self._mix.gold

    def use_gold(self, gold: Mapping[MaskKey, GoldSample], forgotten: Collection[str] = ()) -> None:
        """Mix these gold samples into the work from now on, without the `forgotten` sample ids."""
        self._mix.gold = gold
        self._mix.forgotten = forgotten

    def second_look(self) -> int:
        """Number of samples on which reviewers disagree, or that one flagged."""
        with self._lock, self._live.reading() as state:
            return len(state.second_look)

    def problems(self) -> list[str]:
        """One line for each sample that was set aside, with the reason."""
        with self._lock:
            return list(self._live.state.set_aside.values())


def _assigned(state: ReviewState, request: NextRequest) -> tuple[Assignment | BadFilter, list[Lease]]:
    try:
        queue = QUEUES[request.queue](state, request.filter)
    except BadFilter as error:
        return error, []
    return assign(state, queue, request)
