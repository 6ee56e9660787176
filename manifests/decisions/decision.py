"""A decision: one reviewer's verdict on one exact mask, and the event that takes one back.

It names `(sample_id, mask_sha256)`: when a sample is re-labelled, old verdicts do not carry over.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Verdict = Literal["accept", "reject", "skip"]
VERDICTS: tuple[Verdict, ...] = ("accept", "reject", "skip")
Mode = Literal["single", "grid"]  # the view on which a decision was made: one mask, or a page of them
MODES: tuple[Mode, ...] = ("single", "grid")
Purpose = Literal["work", "gold", "repeat", "second_look"]
PURPOSES: tuple[Purpose, ...] = ("work", "gold", "repeat", "second_look")
VOTING: tuple[Purpose, ...] = ("work", "second_look")  # the others only measure the reviewer
FLAG = "flag"  # reason of a skip that asks the lead for a second look
LABEL_QUALITY = "(label quality)"  # reviewer of decisions that a score makes
MERGE = "(merge)"  # ends the reviewer of decisions that a merge makes, behind the names of the voters
PROGRAMS = (LABEL_QUALITY, MERGE)  # a user's name has no brackets
REASON_SEPARATOR = "; "  # between several reasons of one decision
MaskKey = tuple[str, str]  # (sample_id, mask_sha256)
_MAX_DECISION_MS = 2**31 - 1  # the manifest's column is int32


@dataclass(frozen=True, slots=True)
class Decision:
    """One reviewer's verdict on one exact mask.

    `purpose` says what the mask was shown for: `work` and `second_look` are votes; `gold` is a mask whose right
    verdict is known, `repeat` one that was judged before: these two measure the reviewer and are not votes.

    `edited_mask_sha256` names the repaired mask (a blob) that an accept puts in the mask's place, and `edit_iou` is its
    IoU with the mask it began with; None without a repair.

    `reason` may hold several reasons (`reasons_of`); `note` is free text for the lead, and stays in the log.

    Where two masks are shown, `rival_mask_sha256` names the second one, and `chosen_mask_sha256` the one that an accept
    takes, or that its repair began with. Both are None where one mask is shown.
    """

    decision_id: str
    sample_id: str
    mask_sha256: str
    verdict: Verdict
    reviewer: str
    decided_at: datetime
    reason: str | None = None
    decision_ms: int | None = None
    mode: Mode = "single"
    purpose: Purpose = "work"
    edited_mask_sha256: str | None = None
    edit_iou: float | None = None
    rival_mask_sha256: str | None = None
    chosen_mask_sha256: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        """ValueError for values that no manifest can hold: one such row in the log would stop every publish."""
        if self.verdict not in VERDICTS:
            raise ValueError(f"expected a verdict of {', '.join(VERDICTS)}, found {self.verdict!r}")
        if self.decision_ms is not None and not 0 <= self.decision_ms <= _MAX_DECISION_MS:
            raise ValueError(f"expected decision_ms in 0..{_MAX_DECISION_MS}, found {self.decision_ms}")
        if self.mode not in MODES or self.purpose not in PURPOSES:
            raise ValueError(
                f"expected a mode of {', '.join(MODES)} and a purpose of {', '.join(PURPOSES)}, "
                f"found {self.mode!r} and {self.purpose!r}"
            )
        if self.edited_mask_sha256 is not None and self.verdict != "accept":
            raise ValueError(f"expected a repaired mask with an accept only, found it with {self.verdict}")
        if (self.chosen_mask_sha256 is not None) != (self.rival_mask_sha256 is not None and self.verdict == "accept"):
            raise ValueError("expected a chosen mask with each accept of two masks, and with nothing else")
        if self.chosen_mask_sha256 not in (None, self.mask_sha256, self.rival_mask_sha256):
            raise ValueError(f"expected one of the two masks as the chosen one, found {self.chosen_mask_sha256!r}")

    @property
    def key(self) -> MaskKey:
        return self.sample_id, self.mask_sha256

    def repeats(self, other: "Decision") -> bool:
        """Whether `other` has the same mask, verdict, reason, note and reviewer; time and view may differ."""
        return (self.key, self.verdict, self.reason, self.note, self.reviewer, *self._masks) == (
            other.key, other.verdict, other.reason, other.note, other.reviewer, *other._masks,
        )  # fmt: skip

    @property
    def _masks(self) -> tuple[str | None, ...]:
        return self.edited_mask_sha256, self.rival_mask_sha256, self.chosen_mask_sha256

    @property
    def takes_rival(self) -> bool:
        """Whether the accept takes the second of two masks, as it is or as a repair's beginning."""
        return self.chosen_mask_sha256 not in (None, self.mask_sha256)

    @property
    def accepted_mask_sha256(self) -> str:
        """The mask that an accept leaves in the row: the repaired one, else the chosen one, else the mask itself."""
        return self.edited_mask_sha256 or self.chosen_mask_sha256 or self.mask_sha256

    @property
    def verdict_as_shown(self) -> Verdict:
        """The verdict on the mask as it was shown: a repair means that it was wrong."""
        return "reject" if self.edited_mask_sha256 else self.verdict

    @property
    def is_vote(self) -> bool:
        """Whether it is a verdict that counts for the mask, not one that only measures the reviewer."""
        return self.verdict != "skip" and self.purpose in VOTING

    @property
    def is_by_person(self) -> bool:
        """Whether a person made it, not one of PROGRAMS."""
        return not self.reviewer.endswith(PROGRAMS)

    @property
    def is_flag(self) -> bool:
        """Whether it asks for a second look."""
        return self.verdict == "skip" and self.reason == FLAG


def reasons_of(reason: str | None) -> list[str]:
    """The single reasons in a decision's or a row's `reason`."""
    return reason.split(REASON_SEPARATOR) if reason else []


@dataclass(frozen=True, slots=True)
class Undo:
    """The event that takes a decision back."""

    decision_id: str
    sample_id: str
    mask_sha256: str

    @property
    def key(self) -> MaskKey:
        return self.sample_id, self.mask_sha256


Event = Decision | Undo
