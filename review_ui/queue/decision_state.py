"""The decision log in memory: standing decisions by mask and by age.

Fed with the log's events in order; all servers that read the same log agree.
"""

from collections.abc import Iterator
from itertools import islice

from manifests.decisions.decision import Decision, Event, MaskKey, Undo
from manifests.decisions.log import undo_id
from manifests.decisions.policy import MaskVerdict


class StandingDecisions:
    """Decisions that were not undone, skips too."""

    def __init__(self) -> None:
        self._by_id: dict[str, Decision] = {}
        self._by_mask: dict[MaskKey, list[Decision]] = {}  # in the order of their last events
        self._by_reviewer: dict[str, dict[str, Decision]] = {}  # by decision_id
        self._removed: dict[str, Decision] = {}  # taken back
        self._undos: set[str] = set()  # ids of the events that took them back
        self._measured: dict[str, set[MaskKey]] = {}  # by reviewer
        self._voted: set[MaskKey] = set()  # masks that ever got a vote, taken back or not
        self.votes: list[Decision] = []  # every vote ever, oldest first, those taken back too

    def apply(self, event: Event) -> None:
        """Apply an event of the log; applying it again changes nothing."""
        if isinstance(event, Undo):
            self._remove(event.decision_id)
        elif not self.knows(event.decision_id):
            self._add(event)

    def knows(self, decision_id: str) -> bool:
        """Whether the id is in the log, its decision taken back or not."""
        return decision_id in self._by_id or decision_id in self._removed or decision_id in self._undos

    def repeats(self, decision: Decision) -> bool:
        """Whether the log holds this very decision under its id."""
        known = self._by_id.get(decision.decision_id) or self._removed.get(decision.decision_id)
        return known is not None and decision.repeats(known)

    def masks(self) -> list[MaskKey]:
        """Every mask that ever got a decision, in the order of their last events."""
        return list(self._by_mask)

    def all(self) -> list[Decision]:
        """Every standing decision, oldest first."""
        return list(self._by_id.values())

    def find(self, decision_id: str) -> Decision | None:
        return self._by_id.get(decision_id)

    def on(self, key: MaskKey) -> list[Decision]:
        """Standing decisions on a mask, oldest first."""
        return self._by_mask.get(key, [])

    def last(self, key: MaskKey) -> Decision | None:
        """The newest standing vote or skip on a mask, gold and repeats left out."""
        return next((d for d in reversed(self.on(key)) if d.purpose in ("work", "second_look")), None)

    def last_of(self, reviewer: str, key: MaskKey) -> Decision | None:
        return next((d for d in reversed(self.on(key)) if d.reviewer == reviewer), None)

    def replaced_by(self, decision: Decision) -> list[Decision]:
        """The reviewer's earlier decisions on the same mask for the same purpose, oldest first."""
        same = [d for d in self.on(decision.key) if (d.reviewer, d.purpose) == (decision.reviewer, decision.purpose)]
        return same[: same.index(decision)] if decision in same else []

    def judged(self, key: MaskKey) -> bool:
        """Whether the log ever held a vote on the mask, taken back or not."""
        return key in self._voted

    def flagged(self, key: MaskKey, *, unanswered: bool = False) -> bool:
        """Whether a flag stands on a mask; with `unanswered`, only one without a later vote."""
        for decision in reversed(self.on(key)):
            if decision.is_flag:
                return True
            if unanswered and decision.is_vote:
                return False
        return False

    def outcome(self, key: MaskKey) -> MaskVerdict:
        """The last standing vote of each reviewer on a mask."""
        return MaskVerdict.of(self.on(key))

    def newest(self, reviewer: str) -> Iterator[Decision]:
        """The reviewer's last decision on each mask, newest first."""
        seen: set[MaskKey] = set()
        for decision in reversed(self._by_reviewer.get(reviewer, {}).values()):
            if decision.key not in seen:
                seen.add(decision.key)
                yield decision

    def last_few(self, reviewer: str, count: int) -> list[Decision]:
        """The reviewer's last `count` decisions, newest first."""
        return list(islice(reversed(self._by_reviewer.get(reviewer, {}).values()), count))

    def measured(self, reviewer: str) -> set[MaskKey]:
        """Masks that the reviewer judged as gold or repeats."""
        return self._measured.get(reviewer, set())

    def _add(self, decision: Decision) -> None:
        self._by_id[decision.decision_id] = decision
        self._put_last(decision.key).append(decision)
        self._by_reviewer.setdefault(decision.reviewer, {})[decision.decision_id] = decision
        if decision.is_vote:
            self._voted.add(decision.key)
            self.votes.append(decision)
        elif decision.purpose in ("gold", "repeat"):
            self._measured.setdefault(decision.reviewer, set()).add(decision.key)

    def _remove(self, decision_id: str) -> None:
        self._undos.add(undo_id(decision_id))
        decision = self._by_id.pop(decision_id, None)
        if decision is None:
            return
        self._removed[decision_id] = decision
        self._put_last(decision.key).remove(decision)
        del self._by_reviewer[decision.reviewer][decision_id]
        if not any((d.reviewer, d.purpose) == (decision.reviewer, decision.purpose) for d in self.on(decision.key)):
            self.measured(decision.reviewer).discard(decision.key)

    def _put_last(self, key: MaskKey) -> list[Decision]:
        """Move the mask to the end, as the one with the last event, and return its decisions."""
        decisions = self._by_mask[key] = self._by_mask.pop(key, [])
        return decisions
