"""Verdicts that a person gave in another tool, as tags of samples -> decisions in the log.

Only verdicts on masks of the latest version that a reviewer could judge are taken; the others are counted by cause.
Taking the same tags twice stores nothing new: a verdict that the reviewer's standing vote holds is left alone.
"""

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from manifests.decisions.decision import Decision, MaskKey
from manifests.decisions.log import DecisionLog
from manifests.decisions.pairs import PAIR_COLUMNS, waits_for_choice
from manifests.errors import UserError
from manifests.store.manifest import Manifest

GONE = "samples that the version doesn't hold"
OTHER_MASK = "samples that have another mask now"
TRUSTED = "samples of ground truth, which take no verdicts"
TWO_MASKS = "samples with two masks to choose from"

_REVIEWER = re.compile(r"[\w .@-]{1,64}")  # without brackets, which mark programs


@dataclass(frozen=True, slots=True)
class TaggedMask:
    """A verdict on one exact mask."""

    sample_id: str
    mask_sha256: str
    verdict: Literal["accept", "reject"]

    @property
    def key(self) -> MaskKey:
        return self.sample_id, self.mask_sha256


@dataclass(frozen=True, slots=True)
class Taken:
    """The decisions that were stored, the number that the log held already, and the ids left out by cause."""

    stored: list[Decision]
    known: int
    left_out: Mapping[str, list[str]]


def take_tagged(
    manifest: Manifest, log: DecisionLog, masks: Iterable[TaggedMask], *, reviewer: str, now: datetime
) -> Taken:
    """Append the verdicts on masks of `manifest` as the reviewer's decisions, in one transaction.

    UserError for a reviewer's name that the log can't hold.
    """
    if not _REVIEWER.fullmatch(reviewer):
        raise UserError(f"expected a --reviewer of letters, digits, spaces and . @ - _, found {reviewer!r}")
    masks = list(masks)
    causes = _causes(manifest, masks)
    standing = {
        key: decision.verdict
        for key, outcome in log.outcomes().items()
        for decision in outcome.standing
        if decision.reviewer == reviewer
    }
    left_out: dict[str, list[str]] = {}
    new: dict[MaskKey, Decision] = {}
    known = 0
    for mask in masks:
        if cause := causes.get(mask.key):
            left_out.setdefault(cause, []).append(mask.sample_id)
        elif standing.get(mask.key) == mask.verdict:
            known += 1
        else:
            new[mask.key] = Decision(
                str(uuid.uuid4()), mask.sample_id, mask.mask_sha256, mask.verdict, reviewer, decided_at=now
            )
    log.append(new.values())
    return Taken(list(new.values()), known, left_out)


def _causes(manifest: Manifest, masks: Iterable[TaggedMask]) -> dict[MaskKey, str]:
    """Why a mask takes no verdict; masks that take one are absent."""
    ids = pa.array({mask.sample_id for mask in masks}, pa.string())
    table = manifest.read(["sample_id", "mask_sha256", *PAIR_COLUMNS])
    table = table.filter(pc.is_in(table["sample_id"], value_set=ids))
    pairs = waits_for_choice(table).to_pylist()
    rows = {
        row["sample_id"]: (row["mask_sha256"], row["origin"], pair)
        for row, pair in zip(table.to_pylist(), pairs, strict=True)
    }
    causes: dict[MaskKey, str] = {}
    for mask in masks:
        mask_sha256, origin, pair = rows.get(mask.sample_id, (None, None, False))
        if mask_sha256 is None:
            causes[mask.key] = GONE
        elif origin == "ground_truth":
            causes[mask.key] = TRUSTED
        elif mask_sha256 != mask.mask_sha256:
            causes[mask.key] = OTHER_MASK
        elif pair:
            causes[mask.key] = TWO_MASKS
    return causes
