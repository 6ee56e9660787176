"""Assigning samples to a reviewer's tab: those it holds already, then new ones, each under a lease."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from manifests.decisions.decision import Decision
from review_ui.queue.leases import Lease, ended
from review_ui.queue.messages import Assignment, NextRequest, UnknownSample
from review_ui.queue.open_samples import OpenSample
from review_ui.queue.queues import Queue
from review_ui.queue.review_state import ReviewState
from review_ui.reviewer import Reviewer

LEASE_SECONDS = 600  # long enough for a page's 16 prefetched samples and a break
ALIVE_SECONDS = 100  # a tab that asked for samples since is open; pages ask every half minute, hidden ones every minute
_SIGN_SECONDS = 25  # a tab that asks again after this gets at least one lease renewed, as its sign of life


def assign(state: ReviewState, queue: Queue, request: NextRequest) -> tuple[Assignment, list[Lease]]:
    """The samples of a tab, and the leases that are new, renewed or ended; these hold in memory from now on.

    Samples that the filter leaves out are given back.
    """
    reviewer, count, tab = request.reviewer, request.count, request.tab
    until = lease_end(state.now())
    given_back = [ended(lease) for lease in _owned(state, queue, reviewer, [tab]) if not queue.fits(lease)]
    for lease in given_back:
        state.lease(lease)
    held = _held(state, queue, reviewer, [tab])[:count]
    fresh = queue.choose(reviewer, count - len(held))
    if not held and not fresh:
        held = _held(state, queue, reviewer, _dead_tabs(state, reviewer))[:count]
    leases = _renewed([lease for lease, _ in held], tab, until)
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
        filtered=queue.filtered(),
        embedding=queue.embedding(),
    )
    return assignment, given_back + granted


def open_sample(state: ReviewState, reviewer: Reviewer, sample_id: str, *, tab: str) -> tuple[OpenSample, Lease]:
    """Any sample for a lead, decided or not, with a lease for a second look; raises UnknownSample."""
    sample = state.queue.find(sample_id)
    if sample is None:
        raise UnknownSample(
            f"expected a sample under review in v{state.manifest.version}, found {ascii(sample_id)[:60]}"
        )
    return sample, Lease(sample.key, reviewer.name, tab, "second_look", lease_end(state.now()))


def leases_ended_by(state: ReviewState, decisions: Sequence[Decision]) -> list[Lease]:
    """The leases that these decisions end."""
    judged = dict.fromkeys((decision.key, decision.reviewer) for decision in decisions)
    leases = [state.leases.last(key, reviewer) for key, reviewer in judged]
    return [ended(lease) for lease in leases if lease and not lease.ended]


def lease_end(now: datetime) -> datetime:
    """When a lease granted now expires."""
    return now + timedelta(seconds=LEASE_SECONDS)


def _renewed(leases: Sequence[Lease], tab: str, until: datetime) -> list[Lease]:
    """Renew those with less than half of their time left, and the first one if none is a fresh sign of life."""
    half, sign = (until - timedelta(seconds=seconds) for seconds in (LEASE_SECONDS / 2, _SIGN_SECONDS))
    silent = all(lease.expires_at <= sign for lease in leases)
    return [
        replace(lease, tab=tab, expires_at=until)
        if lease.expires_at <= half or lease.tab != tab or (silent and place == 0)
        else lease
        for place, lease in enumerate(leases)
    ]


def _dead_tabs(state: ReviewState, reviewer: Reviewer) -> set[str]:
    """The reviewer's tabs that have samples and haven't asked for ALIVE_SECONDS, as when a browser crashed."""
    last_grant: dict[str, datetime] = {}
    for lease in state.leases.open_of(reviewer.name):
        last_grant[lease.tab] = max(lease.expires_at, last_grant.get(lease.tab, lease.expires_at))
    alive_until = lease_end(state.now()) - timedelta(seconds=ALIVE_SECONDS)
    return {tab for tab, expires_at in last_grant.items() if expires_at < alive_until}


def _held(
    state: ReviewState, queue: Queue, reviewer: Reviewer, tabs: Collection[str]
) -> list[tuple[Lease, OpenSample]]:
    """The samples that the tabs hold, in the queue's order; a sample that measures stays before the same work."""
    held = []
    place = len(state.queue) * 2
    for lease in _owned(state, queue, reviewer, tabs):
        sample = queue.shown(lease.key)
        if sample and queue.is_open(lease) and queue.fits(lease):
            place = queue.place(sample) if lease.purpose == "work" else place
            held.append((place, lease.purpose == "work", lease, sample))
    return [(lease, sample) for _, _, lease, sample in sorted(held, key=lambda entry: entry[:2])]


def _owned(state: ReviewState, queue: Queue, reviewer: Reviewer, tabs: Collection[str]) -> list[Lease]:
    """The tabs' leases of this queue, newest first."""
    leases = reversed(list(state.leases.open_of(reviewer.name)))
    return [lease for lease in leases if lease.tab in tabs and queue.owns(lease)]
