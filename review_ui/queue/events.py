"""Events of the session for webhooks: a version was made, the queue is empty, a reviewer fails on gold."""

from collections.abc import Sequence
from typing import Any

from manifests.decisions.activity import Actor
from manifests.decisions.decision import Decision
from manifests.store.manifest import Manifest
from manifests.web.webhooks import WebhookEvent
from review_ui.quality.reviewer_quality import false_accepts
from review_ui.queue.review_state import ReviewState

SessionEvent = tuple[WebhookEvent, dict[str, Any]]


def published(manifest: Manifest, by: Actor | None) -> SessionEvent:
    """The event of a version made on this server; its operation is `review` or `accept`."""
    data = {"version": manifest.version, "operation": manifest.operation, "counts": manifest.counts}
    return "publish", data | {"by": by.name if by else None}


def events_of(state: ReviewState, new: Sequence[Decision], *, waiting_before: int) -> list[SessionEvent]:
    """The events that `new` decisions, which the state holds already, or a new version cause.

    The queue is empty when nothing waits and something did; a reviewer fails with the false accept that brings the rate
    above its limit for certain (`Rate.is_failing`), not with the further ones.
    """
    events: list[SessionEvent] = []
    if waiting_before and not state.queue.waiting:
        events.append(("queue_empty", {"version": state.manifest.version, "second_look": len(state.second_look)}))
    for reviewer in {decision.reviewer: None for decision in new if _is_false_accept(state, decision)}:
        ids = {decision.decision_id for decision in new}
        on_gold = [
            decision
            for key in state.standing.measured(reviewer)
            for decision in state.standing.on(key)
            if decision.reviewer == reviewer
        ]
        gold = state.mix.gold
        rate = false_accepts(on_gold, gold)
        before = false_accepts([decision for decision in on_gold if decision.decision_id not in ids], gold)
        if rate.is_failing and not before.is_failing:
            events.append(("gold_failure", {"reviewer": reviewer, "false_accepts": rate.hits, "judged": rate.n}))
    return events


def _is_false_accept(state: ReviewState, decision: Decision) -> bool:
    gold = state.mix.gold.get(decision.key)
    return gold is not None and gold.right_verdict == "reject" and decision.verdict_as_shown == "accept"
