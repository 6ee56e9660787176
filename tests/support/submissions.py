"""What one reviewer does with a session: get samples, decide."""

import uuid
from collections.abc import Sequence
from urllib.parse import parse_qsl

from review_ui.queue.messages import Assignment, DecisionResult, NextRequest
from review_ui.queue.open_samples import OpenSample
from review_ui.queue.queue_filter import BadFilter, QueueFilter, QueueName
from review_ui.queue.session import ReviewSession
from review_ui.reviewer import Reviewer

FALLING = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)  # doubts


Submission = dict[str, object]


def assign(
    session: ReviewSession, reviewer: Reviewer, count: int, *, tab: str = "", queue: QueueName = "work", query: str = ""
) -> Assignment:
    """Up to `count` samples for one tab of the reviewer; `query` is a filter as in an address."""
    wanted = QueueFilter.of(parse_qsl(query, keep_blank_values=True), queue)
    session.filters.prepare(wanted)
    [assignment] = session.next_all([NextRequest(reviewer, count, tab, queue, wanted)])
    if isinstance(assignment, BadFilter):
        raise assignment
    return assignment


def decide(session: ReviewSession, reviewer: Reviewer, batch: Sequence[object]) -> DecisionResult:
    """Store one reviewer's decisions."""
    return session.decide_all([(reviewer, batch)])[0]


def submission(sample: OpenSample, verdict: str = "accept", **changes: object) -> Submission:
    """A decision as a client sends it, with an id of its own."""
    return {
        "decision_id": str(uuid.uuid4()),
        "sample_id": sample.sample_id,
        "mask_sha256": sample.mask_sha256,
        "verdict": verdict,
        "decision_ms": 900,
    } | changes
