"""The masks of one page of the gallery: rows of the version under review, with the verdicts since it was published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.decisions.decision import Decision, MaskKey, reasons_of
from manifests.decisions.policy import MaskVerdict, Policy
from manifests.store.manifest import Manifest
from review_ui.gallery.filters import GalleryFilter
from review_ui.quality.counts import standing_by_row
from review_ui.quality.reviewer_quality import verdicts

PAGE_SIZE = 60
_COLUMNS = (
    "sample_id", "image_sha256", "mask_sha256", "source", "source_uri", "origin", "teacher", "doubt", "status",
    "reason", "reviewers", "decided_at",
)  # fmt: skip

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Card:
    """One mask: its status now, who decided, and why. `mask_sha256` is that of the repaired or chosen mask, if any."""

    sample_id: str
    image_sha256: str
    mask_sha256: str
    source: str
    source_uri: str
    status: str
    is_repaired: bool
    is_flagged: bool
    reason: str | None
    reviewers: tuple[str, ...]
    doubt: float | None
    decided_at: datetime | None
    note: str


@dataclass(frozen=True, slots=True)
class GalleryPage:
    """`cards` of page `filter.page`, out of `total` masks that pass the filter; `choices` are each filter's values."""

    filter: GalleryFilter
    cards: list[Card]
    total: int
    choices: dict[str, list[str]]

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE_SIZE))


def gallery_page(
    manifest: Manifest, decisions: Sequence[Decision], policy: Policy, wanted: GalleryFilter
) -> GalleryPage:
    """The masks of `manifest` that pass the filter; `decisions` are all standing ones, oldest first."""
    table = _rows(manifest.path)
    live = _live_rows(table, decisions, policy)
    columns = _Columns(table, live, _notes(decisions))
    passing = np.flatnonzero(columns.passing(wanted))
    order = passing[columns.order(passing, wanted)]
    first = (wanted.page - 1) * PAGE_SIZE
    shown = [columns.card(row) for row in order[first : first + PAGE_SIZE].tolist()]
    return GalleryPage(wanted, shown, len(passing), columns.choices())


@dataclass(frozen=True, slots=True)
class _LiveRow:
    """What decisions since say of a row."""

    verdict: MaskVerdict
    status: str
    is_flagged: bool


@lru_cache(maxsize=1)
def _rows(path: Path) -> pa.Table:
    """The rows under review of one version; a version never changes."""
    table = Manifest.open(path).read(_COLUMNS)
    return table.filter(pc.not_equal(table["origin"], "ground_truth")).combine_chunks()


def _live_rows(table: pa.Table, decisions: Sequence[Decision], policy: Policy) -> dict[int, _LiveRow]:
    votes = [decision for decision in verdicts(decisions) if decision.is_vote]
    places = pc.index_in(pa.array([vote.sample_id for vote in votes], pa.string()), value_set=table["sample_id"])
    standing = {row: MaskVerdict(of_row) for row, of_row in standing_by_row(table, votes, places).items()}
    flagged = _flagged_rows(table, decisions)
    return {
        row: _LiveRow(
            verdict := standing.get(row, MaskVerdict(())),
            verdict.status(policy) if verdict.standing else str(table["status"][row].as_py()),
            row in flagged,
        )
        for row in {*standing, *flagged}
    }


def _flagged_rows(table: pa.Table, decisions: Sequence[Decision]) -> set[int]:
    """Rows whose last decision is a flag."""
    last = {decision.key: decision for decision in decisions if decision.is_vote or decision.is_flag}
    flags = [decision for decision in last.values() if decision.is_flag]
    places = pc.index_in(pa.array([flag.sample_id for flag in flags], pa.string()), value_set=table["sample_id"])
    masks = table["mask_sha256"]
    return {
        row
        for flag, row in zip(flags, places.to_pylist(), strict=True)
        if row is not None and masks[row].as_py() == flag.mask_sha256
    }


def _notes(decisions: Sequence[Decision]) -> dict[MaskKey, str]:
    """What reviewers noted with their last decision on each mask, in one line."""
    latest = {(decision.key, decision.reviewer): decision.note for decision in decisions}
    lines: dict[MaskKey, str] = {}
    for (key, _), note in latest.items():
        if note:
            lines[key] = f"{lines[key]} · {note}" if key in lines else note
    return lines


class _Columns:
    """The columns that are filtered, with live values in the place of published ones."""

    def __init__(self, table: pa.Table, live: dict[int, _LiveRow], notes: Mapping[MaskKey, str]) -> None:
        self._table = table
        self._notes = notes
        self._live = live
        self._status = np.array(table["status"].to_pylist(), dtype=object)
        self._reason = np.array(table["reason"].to_pylist(), dtype=object)
        self._reviewers = np.empty(table.num_rows, dtype=object)
        self._reviewers[:] = [tuple(names) for names in table["reviewers"].to_pylist()]
        self._decided = table["decided_at"].cast(pa.int64()).fill_null(0).to_numpy().copy()
        self._doubt = table["doubt"].to_numpy()
        for row, now in live.items():
            self._status[row] = now.status
            if now.verdict.standing:
                self._reason[row] = now.verdict.reason
                self._reviewers[row] = tuple(sorted(decision.reviewer for decision in now.verdict.standing))
                self._decided[row] = int(now.verdict.standing[-1].decided_at.timestamp() * 1e6)

    def passing(self, wanted: GalleryFilter) -> Flags:
        """Which rows pass the filter."""
        passing = self._has_status(wanted.status)
        for name in ("source", "origin", "teacher"):
            if word := getattr(wanted, name):
                passing &= pc.fill_null(pc.equal(self._table[name], word), False).to_numpy(zero_copy_only=False)
        if wanted.reason:
            passing &= np.array([wanted.reason in reasons_of(reason) for reason in self._reason], dtype=bool)
        if wanted.reviewer:
            passing &= np.array([wanted.reviewer in names for names in self._reviewers], dtype=bool)
        with np.errstate(invalid="ignore"):  # an unknown doubt passes no limit
            if wanted.min_doubt is not None:
                passing &= self._doubt >= wanted.min_doubt
            if wanted.max_doubt is not None:
                passing &= self._doubt <= wanted.max_doubt
        return passing

    def order(self, rows: npt.NDArray[np.int64], wanted: GalleryFilter) -> npt.NDArray[np.int64]:
        """The places of `rows` in the order to show them."""
        if wanted.order == "newest":
            return np.argsort(-self._decided[rows], kind="stable")
        doubt = np.nan_to_num(self._doubt[rows], nan=-1.0 if wanted.order == "doubtful" else 2.0)
        return np.argsort(-doubt if wanted.order == "doubtful" else doubt, kind="stable")

    def card(self, row: int) -> Card:
        cells = self._table.slice(row, 1).to_pylist()[0]
        now = self._live.get(row)
        edit = now.verdict.replacing if now and now.status == "accepted" else None
        return Card(
            sample_id=cells["sample_id"],
            image_sha256=cells["image_sha256"],
            mask_sha256=edit.accepted_mask_sha256 if edit else cells["mask_sha256"],
            source=cells["source"],
            source_uri=cells["source_uri"],
            status=self._status[row],
            is_repaired=bool(edit and edit.edited_mask_sha256) or cells["origin"] == "edited",
            is_flagged=bool(now and now.is_flagged),
            reason=self._reason[row],
            reviewers=self._reviewers[row],
            doubt=cells["doubt"],
            decided_at=now.verdict.standing[-1].decided_at if now and now.verdict.standing else cells["decided_at"],
            note=self._notes.get((cells["sample_id"], cells["mask_sha256"]), ""),
        )

    def choices(self) -> dict[str, list[str]]:
        """The values that occur, for each filter of words."""
        words = {name: self._table[name].unique().drop_null().to_pylist() for name in ("source", "origin", "teacher")}
        reasons = {single for reason in set(self._reason.tolist()) for single in reasons_of(reason)}
        reviewers = {name for names in self._reviewers.tolist() for name in names}
        return {name: sorted(values) for name, values in {**words, "reviewer": reviewers, "reason": reasons}.items()}

    def _has_status(self, status: str) -> Flags:
        if status == "flagged":
            flags = np.zeros(len(self._status), dtype=bool)
            flags[[row for row, now in self._live.items() if now.is_flagged]] = True
            return flags
        if status == "decided":
            return np.asarray(self._status != "pending", dtype=bool)
        return np.asarray(self._status == status, dtype=bool)
