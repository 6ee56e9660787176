"""The status of a mask: its standing votes, folded by the policy of the dataset."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from manifests.decisions.decision import Decision
from manifests.errors import UserError

Conflicts = Literal["keep", "reject", "majority"]  # for masks that reviewers disagree on, see Policy
CONFLICTS: tuple[Conflicts, ...] = ("keep", "reject", "majority")


@dataclass(frozen=True, slots=True)
class Policy:
    """When a mask is settled.

    `votes` reviewers must have judged it. If they disagree, `conflicts` decides: `keep` leaves it a conflict, for a
    second look; `reject` rejects it; `majority` takes the majority's verdict and leaves a tie a conflict.
    Accepts that take different masks of two disagree, unless one of them repairs its mask. A lead's second look
    decides alone.
    """

    votes: int = 1
    conflicts: Conflicts = "keep"

    def __post_init__(self) -> None:
        if self.votes < 1:
            raise UserError(f"expected at least 1 vote per mask, found {self.votes}")
        if self.conflicts not in CONFLICTS:
            raise UserError(f"expected conflicts of {', '.join(CONFLICTS)}, found {ascii(self.conflicts)[:60]}")


ONE_VOTE = Policy()


@dataclass(frozen=True, slots=True)
class MaskVerdict:
    """The votes on one mask: each reviewer's standing vote, in the order they were made."""

    standing: tuple[Decision, ...]

    @classmethod
    def of(cls, decisions: Iterable[Decision]) -> "MaskVerdict":
        """Fold one mask's decisions, oldest first: a reviewer's later vote replaces the earlier one."""
        latest: dict[str, Decision] = {}
        for decision in decisions:
            if decision.is_vote:
                latest.pop(decision.reviewer, None)  # so that the order is that of the last votes
                latest[decision.reviewer] = decision
        return cls(tuple(latest.values()))

    @property
    def votes_accept(self) -> int:
        return sum(decision.verdict == "accept" for decision in self.standing)

    @property
    def votes_reject(self) -> int:
        return sum(decision.verdict == "reject" for decision in self.standing)

    def status(self, policy: Policy = ONE_VOTE) -> str:
        """The mask's status under `policy`, one of the manifest's statuses."""
        second_looks = [decision for decision in self.standing if decision.purpose == "second_look"]
        if second_looks:
            return _STATUS[second_looks[-1].verdict]
        if len(self.standing) < policy.votes:
            return "pending"
        status = _settled(self.votes_accept, self.votes_reject, policy.conflicts)
        choices = self._choices
        if status == "accepted" and len(choices) > 1:
            (_, most), (_, second) = choices.most_common(2)
            return _settled(most, second, policy.conflicts)
        return status

    @property
    def replacing(self) -> Decision | None:
        """The accept whose mask replaces the mask, None without one: a second look's, else the last repair, else the
        last choice of the rival where most accepts take it.
        """
        second_looks = [decision for decision in self.standing if decision.purpose == "second_look"]
        deciding = second_looks[-1:] or self.standing
        accepts = [decision for decision in reversed(deciding) if decision.verdict == "accept"]
        repair = next((decision for decision in accepts if decision.edited_mask_sha256), None)
        if repair or not accepts:
            return repair
        (most, _), *_ = Counter(decision.accepted_mask_sha256 for decision in accepts).most_common(1)
        return next((d for d in accepts if d.takes_rival and d.accepted_mask_sha256 == most), None)

    @property
    def _choices(self) -> Counter[str]:
        """Accepts by the mask they take; empty where one of them repairs it."""
        accepts = [decision for decision in self.standing if decision.verdict == "accept"]
        repaired = any(decision.edited_mask_sha256 for decision in accepts)
        return Counter() if repaired else Counter(decision.accepted_mask_sha256 for decision in accepts)

    @property
    def reason(self) -> str | None:
        """The last reason given with a standing reject."""
        reasons = [d.reason for d in self.standing if d.verdict == "reject" and d.reason]
        return reasons[-1] if reasons else None


_STATUS = {"accept": "accepted", "reject": "rejected"}


def _settled(accepts: int, rejects: int, conflicts: str) -> str:
    if not (accepts or rejects):
        return "pending"
    if not (accepts and rejects):
        return "accepted" if accepts else "rejected"
    if conflicts == "majority" and accepts != rejects:
        return "accepted" if accepts > rejects else "rejected"
    return "rejected" if conflicts == "reject" else "conflict"
