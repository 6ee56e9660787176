"""Progress of the review: statuses by source and by doubt, and reasons of rejects."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.decisions.decision import Decision, reasons_of
from manifests.decisions.policy import MaskVerdict, Policy
from manifests.store.manifest import Manifest
from review_ui.quality.reviewer_quality import verdicts

STATUSES = ("accepted", "rejected", "conflict", "pending")
DOUBT_BANDS = (0.2, 0.4, 0.6, 0.8)  # where one ends and the next begins
NO_DOUBT = "not rated"
NO_REASON = "none given"

Counts = dict[str, int]  # by status, in the order of STATUSES


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows under review; `reasons` are those of standing rejects, by source, the commonest first."""

    total: Counts
    by_source: dict[str, Counts]
    by_doubt: dict[str, Counts]  # the most doubtful first; bands without rows are left out
    votes_left: int
    reasons: dict[str, Counter[str]]


def tally(manifest: Manifest, decisions: Sequence[Decision], policy: Policy) -> Tally:
    """Count the rows of `manifest` under review, with the statuses that publishing under `policy` would give.

    A row without a vote in `decisions` keeps its published status.
    """
    table = manifest.read(("sample_id", "mask_sha256", "source", "doubt", "status", "origin"))
    table = table.filter(pc.not_equal(table["origin"], "ground_truth")).combine_chunks()
    votes = [decision for decision in verdicts(decisions) if decision.is_vote]
    status = pc.index_in(table["status"], value_set=pa.array(STATUSES)).to_numpy().copy()
    votes_of = np.zeros(table.num_rows, dtype=np.int64)
    settled: dict[tuple[tuple[str, str, bool, bool], ...], int] = {}  # few kinds, and a million rows
    rows = pc.index_in(pa.array([vote.sample_id for vote in votes], pa.string()), value_set=table["sample_id"])
    for row, standing in standing_by_row(table, votes, rows).items():
        kind = tuple((vote.verdict, vote.purpose, vote.takes_rival, bool(vote.edited_mask_sha256)) for vote in standing)
        if kind not in settled:
            settled[kind] = STATUSES.index(MaskVerdict(standing).status(policy))
        status[row], votes_of[row] = settled[kind], len(standing)
    pending = status == STATUSES.index("pending")
    return Tally(
        total=_count(status),
        by_source=_by_source(table["source"].combine_chunks(), status),
        by_doubt=_by_doubt(table["doubt"].to_numpy(), status),
        votes_left=int(np.maximum(policy.votes - votes_of, 0)[pending].sum()),
        reasons=_reasons(table, votes, rows),
    )


def standing_by_row(table: pa.Table, votes: Sequence[Decision], rows: pa.Array) -> dict[int, tuple[Decision, ...]]:
    """Each reviewer's last vote on the row's current mask; `rows` holds the row of each vote, or null."""
    judged = pa.array([vote.mask_sha256 for vote in votes], pa.string())
    current = pc.equal(table["mask_sha256"].take(rows), judged).to_pylist()
    by_row: dict[int, list[Decision]] = defaultdict(list)
    for vote, row, is_current in zip(votes, rows.to_pylist(), current, strict=True):
        if is_current:
            by_row[row].append(vote)
    return {row: MaskVerdict.of(of_row).standing for row, of_row in by_row.items()}


def _reasons(table: pa.Table, votes: Sequence[Decision], rows: pa.Array) -> dict[str, Counter[str]]:
    """Reasons of rejects by source, of older masks too: they still tell what the teacher got wrong."""
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for vote, source in zip(votes, table["source"].take(rows).to_pylist(), strict=True):
        if vote.verdict == "reject" and source is not None:  # null: its sample is not in this version
            reasons[source].update(reasons_of(vote.reason) or [NO_REASON])
    return {source: Counter(dict(reasons[source].most_common())) for source in sorted(reasons)}


def _by_doubt(doubt: np.ndarray, status: np.ndarray) -> dict[str, Counts]:
    """The most doubtful band first, rows without doubt last; a band without rows is left out."""
    ends = (0.0, *DOUBT_BANDS, 1.0)
    names = [f"{low:.1f} to {high:.1f}" for low, high in pairwise(ends)]
    band = np.where(np.isnan(doubt), -1, np.digitize(doubt, DOUBT_BANDS))
    counts = {name: _count(status[band == number]) for number, name in reversed(list(enumerate(names)))}
    counts[NO_DOUBT] = _count(status[band == -1])
    return {name: of_band for name, of_band in counts.items() if any(of_band.values())}


def _by_source(source: pa.Array, status: np.ndarray) -> dict[str, Counts]:
    encoded = source.dictionary_encode()
    names, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
    return {names[code]: _count(status[codes == code]) for code in np.argsort(names)}


def _count(status: np.ndarray) -> Counts:
    return dict(zip(STATUSES, np.bincount(status, minlength=len(STATUSES)).tolist(), strict=True))
