"""Parse one decision of a client: JSON object -> `Submission`; or `Refused`, with the reason in one line."""

import re
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any, TypeVar

from manifests.decisions.decision import MODES, VERDICTS, Decision, MaskKey, Mode, Purpose, Verdict
from manifests.errors import UserError

MAX_REASON_CHARACTERS = 200
MAX_NOTE_CHARACTERS = 500
MAX_DECISION_MS = 2**31 - 1  # the manifest's column is int32
UUID_PATTERN = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"

Word = TypeVar("Word", bound=str)

_UUID = re.compile(UUID_PATTERN)
_QUOTED_CHARACTERS = 60  # of a wrong value, so that an error stays one short line


class Refused(UserError):
    """A decision that can't be stored."""


@dataclass(frozen=True, slots=True)
class RepairedMask:
    """A mask that a reviewer repaired, stored as a blob: width and height in pixels, IoU with the mask shown."""

    sha256: str
    width: int
    height: int
    iou: float


@dataclass(frozen=True, slots=True)
class Submission:
    """A client's decision; reviewer, time and purpose come from the server."""

    decision_id: str
    sample_id: str
    mask_sha256: str
    verdict: Verdict
    reason: str | None
    decision_ms: int | None
    mode: Mode
    repaired: RepairedMask | None = None
    rival_mask_sha256: str | None = None
    chosen_mask_sha256: str | None = None
    note: str | None = None

    @property
    def key(self) -> MaskKey:
        return self.sample_id, self.mask_sha256

    def by(self, reviewer: str, decided_at: datetime, purpose: Purpose) -> Decision:
        return Decision(
            decision_id=self.decision_id,
            sample_id=self.sample_id,
            mask_sha256=self.mask_sha256,
            verdict=self.verdict,
            reviewer=reviewer,
            decided_at=decided_at,
            reason=self.reason,
            decision_ms=self.decision_ms,
            mode=self.mode,
            purpose=purpose,
            edited_mask_sha256=self.repaired.sha256 if self.repaired else None,
            edit_iou=self.repaired.iou if self.repaired else None,
            rival_mask_sha256=self.rival_mask_sha256,
            chosen_mask_sha256=self.chosen_mask_sha256,
            note=self.note,
        )


def read_submission(raw: object) -> Submission:
    """Parse the decision in `raw`; Refused when it isn't one. The sample may not exist.

    `mask`, if there is one, is a RepairedMask, or the Refused that says why it is none (web/repaired_masks.py).
    `rival_mask_sha256` names the second mask that was shown; an accept then chooses one of the two.
    """
    if not isinstance(raw, dict):
        raise Refused(f"expected a decision as a JSON object, found {_quote(raw)}")
    decision_id = raw.get("decision_id")
    if not isinstance(decision_id, str) or not _UUID.fullmatch(decision_id):
        raise Refused(f"expected a UUID as decision_id, found {_quote(decision_id)}")
    verdict = _one_of(VERDICTS, "a verdict", raw.get("verdict"))
    return Submission(
        decision_id=decision_id,
        sample_id=intern(_text(raw, "sample_id")),
        mask_sha256=intern(_text(raw, "mask_sha256")),
        verdict=verdict,
        reason=_line(raw.get("reason"), "a reason", MAX_REASON_CHARACTERS),
        note=_line(raw.get("note"), "a note", MAX_NOTE_CHARACTERS),
        decision_ms=_decision_ms(raw.get("decision_ms")),
        mode=_one_of(MODES, "a mode", raw.get("mode", "single")),
        repaired=_repaired(raw.get("mask"), verdict),
        **_choice(raw, verdict),
    )


def submitted_id(raw: object) -> str | None:
    """The decision_id for the result; None when there is no usable one."""
    value = raw.get("decision_id") if isinstance(raw, dict) else None
    return value[:_QUOTED_CHARACTERS] if isinstance(value, str) and value.isprintable() else None


def _one_of(words: tuple[Word, ...], what: str, value: object) -> Word:
    for word in words:
        if word == value:
            return word
    raise Refused(f"expected {what} out of {', '.join(words)}, found {_quote(value)}")


def _text(raw: dict[str, Any], name: str) -> str:
    if not isinstance(raw.get(name), str):
        raise Refused(f"expected {name} as text, found {_quote(raw.get(name))}")
    return raw[name]


def _line(value: object, what: str, most: int) -> str | None:
    """One line of text; None for an empty one."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise Refused(f"expected {what} of at most {most} characters, found {_quote(value)}")
    return value


def _decision_ms(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_DECISION_MS:
        raise Refused(f"expected decision_ms as whole milliseconds from 0 on, found {_quote(value)}")
    return value


def _repaired(value: object, verdict: Verdict) -> RepairedMask | None:
    if value is None:
        return None
    if verdict != "accept":
        raise Refused(f"expected a repaired mask with an accept only, found it with {verdict}")
    if isinstance(value, Refused):
        raise value
    if not isinstance(value, RepairedMask):
        raise Refused(f"expected a mask that was read from base64, found {_quote(value)}")
    return value


def _choice(raw: dict[str, Any], verdict: Verdict) -> dict[str, str | None]:
    """The second of two masks, and the one that an accept chooses; both None where one mask was shown."""
    rival, chosen = raw.get("rival_mask_sha256"), raw.get("chosen_mask_sha256")
    if rival is None and chosen is None:
        return {}
    both = (raw["mask_sha256"], _text(raw, "rival_mask_sha256"))
    if (chosen is not None) != (verdict == "accept"):
        raise Refused(
            f"expected chosen_mask_sha256 with an accept of two masks, and with nothing else, found {verdict}"
        )
    if chosen not in (None, *both):
        names = " or ".join(_quote(name[:12]) for name in both)
        raise Refused(f"expected one of the sample's two masks as the chosen one, {names}, found {_quote(chosen)}")
    return {"rival_mask_sha256": rival, "chosen_mask_sha256": chosen}


def _quote(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "..."
