"""Assigning samples to a reviewer's tab: what it holds already, then new ones, each under a lease."""

from dataclasses import replace
from datetime import datetime, timedelta

from review_ui.queue.leases import Lease
from review_ui.queue.messages import Assignment, NextRequest
from review_ui.queue.open_samples import OpenSample
from review_ui.queue.queues import Queue
from review_ui.queue.review_state import ReviewState
from review_ui.reviewer import Reviewer

LEASE_SECONDS = 600  # long enough for a page's 16 prefetched samples and a coffee


def assign(state: ReviewState, queue: Queue, request: NextRequest) -> tuple[Assignment, list[Lease]]:
    """The samples of a tab, and the leases that are new or renewed; these hold in memory from now on."""
    reviewer, count, tab = request.reviewer, request.count, request.tab
    until = lease_end(state.now())
    held = _held(state, queue, reviewer, tab)[:count]
    fresh = queue.choose(reviewer, count - len(held))
    if not held and not fresh:  # what the reviewer has in other tabs; one may have been closed
        held = _held(state, queue, reviewer, None)[:count]
    leases = [_renewed(lease, tab, until) for lease, _ in held]
    leases += [Lease(sample.key, reviewer.name, tab, purpose, until) for sample, purpose in fresh]
    granted = [lease for lease in leases if lease.expires_at == until]
    for lease in granted:
        state.lease(lease)
    samples = [sample for _, sample in held] + [sample for sample, _ in fresh]
    assignment = Assignment(
        samples=samples,
        verdicts=queue.verdicts(samples),
        remaining=queue.remaining(),
        progress=state.progress(reviewer),
        lease_expires_at=min((lease.expires_at for lease in leases), default=until),
        manifest=str(state.manifest.path),
    )
    return assignment, granted


def lease_end(now: datetime) -> datetime:
    """When a lease granted now expires."""
    return now + timedelta(seconds=LEASE_SECONDS)


def _renewed(lease: Lease, tab: str, until: datetime) -> Lease:
    """The lease itself while more than half of its time is left."""
    fresh_enough = lease.expires_at > until - timedelta(seconds=LEASE_SECONDS / 2)
    return lease if fresh_enough and lease.tab == tab else replace(lease, tab=tab, expires_at=until)


def _held(state: ReviewState, queue: Queue, reviewer: Reviewer, tab: str | None) -> list[tuple[Lease, OpenSample]]:
    """What the tab (None: any) holds, in the queue's order; a sample that measures stays before the same work."""
    held = []
    place = len(state.queue) * 2
    for lease in reversed(list(state.leases.open_of(reviewer.name))):
        if tab not in (None, lease.tab) or not queue.owns(lease):
            continue
        sample = state.shown(lease.key)
        if sample and queue.is_open(lease):
            place = state.queue.place(sample.sample_id) if lease.purpose == "work" else place
            held.append((place, lease.purpose == "work", lease, sample))
    return [(lease, sample) for _, _, lease, sample in sorted(held, key=lambda entry: entry[:2])]
