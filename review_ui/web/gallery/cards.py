"""The masks of one page of the gallery: rows of the version under review, with the verdicts since it was published."""

from collections.abc import Callable, Mapping, Sequence
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
from review_ui.quality.counts import standing_by_row
from review_ui.quality.reviewer_quality import verdicts
from review_ui.web.gallery.filters import GalleryFilter

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

    @property
    def reviewers(self) -> tuple[str, ...]:
        return tuple(sorted(decision.reviewer for decision in self.verdict.standing))


@lru_cache(maxsize=1)
def _rows(path: Path) -> pa.Table:
    """The rows under review of one version; a version never changes."""
    table = Manifest.open(path).read(_COLUMNS)
    return table.filter(pc.not_equal(table["origin"], "ground_truth")).combine_chunks()


def _live_rows(table: pa.Table, decisions: Sequence[Decision], policy: Policy) -> dict[int, _LiveRow]:
    votes = [decision for decision in verdicts(decisions) if decision.is_vote]
    places = _rows_of(table, [vote.sample_id for vote in votes])
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


def _rows_of(table: pa.Table, sample_ids: Sequence[str]) -> pa.Array:
    """The row of each sample, or null; only the ids asked for are hashed, not the version's."""
    ids = pa.array(sample_ids, pa.string())
    rows = np.flatnonzero(pc.is_in(table["sample_id"], value_set=ids))
    return pa.array(rows).take(pc.index_in(ids, value_set=table["sample_id"].take(rows)))


def _flagged_rows(table: pa.Table, decisions: Sequence[Decision]) -> set[int]:
    """Rows whose last decision is a flag."""
    last = {decision.key: decision for decision in decisions if decision.is_vote or decision.is_flag}
    flags = [decision for decision in last.values() if decision.is_flag]
    places = _rows_of(table, [flag.sample_id for flag in flags])
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
    """The columns that are filtered, with live values in the place of published ones.

    Published values stay Arrow columns: a request makes Python objects only of decided rows and of one page's.
    """

    def __init__(self, table: pa.Table, live: dict[int, _LiveRow], notes: Mapping[MaskKey, str]) -> None:
        self._table = table
        self._notes = notes
        self._live = live
        self._standing = {row: now for row, now in live.items() if now.verdict.standing}
        self._decided = table["decided_at"].cast(pa.int64()).fill_null(0).to_numpy().copy()
        self._doubt = table["doubt"].to_numpy()
        for row, now in self._standing.items():
            self._decided[row] = int(now.verdict.standing[-1].decided_at.timestamp() * 1e6)

    def passing(self, wanted: GalleryFilter) -> Flags:
        """Which rows pass the filter."""
        passing = self._has_status(wanted.status)
        for name in ("source", "origin", "teacher"):
            if word := getattr(wanted, name):
                passing &= _equal(self._table[name], word)
        if reason := wanted.reason:
            passing &= _replaced(
                _isin(self._table["reason"], lambda value: reason in reasons_of(value)),
                {row: reason in reasons_of(now.verdict.reason) for row, now in self._standing.items()},
            )
        if reviewer := wanted.reviewer:
            passing &= _replaced(
                _contains(self._table["reviewers"], reviewer),
                {row: reviewer in now.reviewers for row, now in self._standing.items()},
            )
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
        now, standing = self._live.get(row), self._standing.get(row)
        edit = now.verdict.replacing if now and now.status == "accepted" else None
        return Card(
            sample_id=cells["sample_id"],
            image_sha256=cells["image_sha256"],
            mask_sha256=edit.accepted_mask_sha256 if edit else cells["mask_sha256"],
            source=cells["source"],
            source_uri=cells["source_uri"],
            status=now.status if now else cells["status"],
            is_repaired=bool(edit and edit.edited_mask_sha256) or cells["origin"] == "edited",
            is_flagged=bool(now and now.is_flagged),
            reason=standing.verdict.reason if standing else cells["reason"],
            reviewers=standing.reviewers if standing else tuple(cells["reviewers"]),
            doubt=cells["doubt"],
            decided_at=standing.verdict.standing[-1].decided_at if standing else cells["decided_at"],
            note=self._notes.get((cells["sample_id"], cells["mask_sha256"]), ""),
        )

    def choices(self) -> dict[str, list[str]]:
        """The values that occur, for each filter of words."""
        words = {name: _words(self._table[name]) for name in ("source", "origin", "teacher")}
        published = np.ones(self._table.num_rows, dtype=bool)
        published[list(self._standing)] = False
        rest = self._table.select(("reason", "reviewers")).filter(pa.array(published))
        live = self._standing.values()
        reasons = {*_words(rest["reason"]), *(now.verdict.reason for now in live)}
        words["reviewer"] = _words(pc.list_flatten(rest["reviewers"])).union(*(now.reviewers for now in live))
        words["reason"] = {single for reason in reasons for single in reasons_of(reason)}
        return {name: sorted(values) for name, values in words.items()}

    def _has_status(self, status: str) -> Flags:
        if status == "flagged":
            flags = np.zeros(self._table.num_rows, dtype=bool)
            return _replaced(flags, {row: now.is_flagged for row, now in self._live.items()})
        if status == "decided":
            flags = ~_equal(self._table["status"], "pending")
            return _replaced(flags, {row: now.status != "pending" for row, now in self._live.items()})
        flags = _equal(self._table["status"], status)
        return _replaced(flags, {row: now.status == status for row, now in self._live.items()})


def _replaced(flags: Flags, live: Mapping[int, bool]) -> Flags:
    """The flags of published rows, with those of live ones in their place."""
    flags[list(live)] = list(live.values())
    return flags


def _equal(column: pa.ChunkedArray, word: str) -> Flags:
    """Which rows hold the word; null doesn't."""
    return np.array(pc.fill_null(pc.equal(column, word), False))


def _isin(column: pa.ChunkedArray, test: Callable[[str], bool]) -> Flags:
    """Which rows pass the test, which is tried once for each word; null doesn't."""
    return np.array(pc.is_in(column, value_set=pa.array(filter(test, _words(column)), pa.string())))


def _contains(column: pa.ChunkedArray, word: str) -> Flags:
    """Which rows' lists hold the word."""
    flags = np.zeros(len(column), dtype=bool)
    flags[pc.list_parent_indices(column).to_numpy()[_equal(pc.list_flatten(column), word)]] = True
    return flags


def _words(column: pa.ChunkedArray) -> set[str]:
    """The words that occur."""
    return set(column.unique().drop_null().to_pylist())
