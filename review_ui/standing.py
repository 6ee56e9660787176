"""The decision log in memory: which decisions stand, by mask and by age.

Made from a log once; `add` and `remove` then follow what this process appends to the log.
"""

from collections.abc import Iterator

from manifests.decisions import Decision, DecisionLog, MaskKey, Outcome


class StandingDecisions:
    """Decisions that were not undone, skips too."""

    def __init__(self, log: DecisionLog) -> None:
        self._by_id: dict[str, Decision] = {}
        self._by_mask: dict[MaskKey, list[Decision]] = {}
        self._judged = set(log.outcomes())  # masks that ever got a verdict, taken back or not
        self._removed = log.undone_ids()
        for decision in log.standing():
            self.add(decision)

    def add(self, decision: Decision) -> bool:
        """Note a decision that is in the log; False when it was there before, taken back or not."""
        if decision.decision_id in self._by_id or decision.decision_id in self._removed:
            return False
        self._by_id[decision.decision_id] = decision
        self._by_mask.setdefault(decision.key, []).append(decision)
        if decision.verdict != "skip":
            self._judged.add(decision.key)
        return True

    def remove(self, decision: Decision) -> None:
        """Note that a decision was undone."""
        self._removed.add(decision.decision_id)
        if self._by_id.pop(decision.decision_id, None):
            self._by_mask[decision.key].remove(decision)

    def masks(self) -> list[MaskKey]:
        """Every mask that anything was said about, in the order of the decisions; some more than once."""
        return [*self._judged, *(decision.key for decision in self._by_id.values())]

    def find(self, decision_id: str) -> Decision | None:
        return self._by_id.get(decision_id)

    def last(self, key: MaskKey) -> Decision | None:
        """The newest standing decision on a mask."""
        return next(reversed(self._by_mask.get(key, [])), None)

    def replaced_by(self, decision: Decision) -> list[Decision]:
        """What the same reviewer said earlier about the same mask, oldest first."""
        of_reviewer = [d for d in self._by_mask.get(decision.key, []) if d.reviewer == decision.reviewer]
        return of_reviewer[: of_reviewer.index(decision)] if decision in of_reviewer else []

    def status(self, key: MaskKey) -> str | None:
        """What publishing would make of the mask; None when it never got a verdict."""
        if key not in self._judged:
            return None
        latest: dict[str, Decision] = {}
        for decision in self._by_mask.get(key, []):
            if decision.verdict != "skip":
                latest.pop(decision.reviewer, None)
                latest[decision.reviewer] = decision
        return Outcome(tuple(latest.values())).status

    def newest(self, reviewer: str) -> Iterator[Decision]:
        """The reviewer's last word on each mask, newest first."""
        seen: set[MaskKey] = set()
        for decision in reversed(self._by_id.values()):
            if decision.reviewer == reviewer and decision.key not in seen:
                seen.add(decision.key)
                yield decision
