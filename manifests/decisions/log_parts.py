"""The parts of a restore and of a merge that lie in the decision log.

Both operations commit their version first and then their part of the log, which follows from that version and from the
number of the log's last event before it (`log_seq` among its parameters).
`finish_interrupted` writes what killed processes left out; each publish, restore, merge and review begins with it.
"""

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from manifests.decisions.decision import FLAG, MERGE, Decision, Verdict
from manifests.decisions.edits import mask_before
from manifests.decisions.log import DecisionLog
from manifests.store.manifest import Manifest, ManifestStore

logger = logging.getLogger(__name__)

RESTORE = "restore"  # operations, as versions name them
MERGE_LINEAGE = "merge"

_DECISION_NAMESPACE = uuid.UUID("0b7c3c0e-3d4e-4a58-9a52-7a0c7b3b9a11")
_COLUMNS = [
    "sample_id", "mask_sha256", "edited_from", "rival_mask_sha256", "chosen_by", "status", "reason", "decided_at",
    "reviewers", "origin", "decided_by",
]  # fmt: skip
_VERDICTS: dict[str, Verdict] = {"accepted": "accept", "rejected": "reject", "conflict": "skip"}


def votes_since(rows: pa.Table, log: DecisionLog) -> Iterator[Decision]:
    """Standing votes on masks of `rows` that are later than the row's last one."""
    votes = [decision for decision in log.standing() if decision.is_vote]
    judged = pa.array({vote.sample_id for vote in votes}, pa.string())
    reviewed = pc.and_(pc.is_in(rows["sample_id"], value_set=judged), pc.not_equal(rows["origin"], "ground_truth"))
    columns = rows.filter(reviewed).select(["sample_id", "mask_sha256", "decided_at"]).to_pylist()
    decided_at = {(row["sample_id"], row["mask_sha256"]): row["decided_at"] for row in columns}
    for vote in votes:
        if vote.key in decided_at and (decided_at[vote.key] is None or vote.decided_at > decided_at[vote.key]):
            yield vote


def merged_verdicts(rows: pa.Table, log: DecisionLog, other_digest: str, *, now: datetime) -> Iterator[Decision]:
    """The verdicts of rows that came from the version with `other_digest`, on masks that the log knows."""
    judged = log.outcomes().keys()
    by_person = pc.is_null(rows["decided_by"])  # a policy's verdict never replaces a person's
    reviewed = rows.filter(pc.and_(pc.not_equal(rows["origin"], "ground_truth"), by_person))
    for row in reviewed.select(_COLUMNS).to_pylist():
        key = f"{other_digest}:{row['sample_id']}:{row['mask_sha256']}"
        masks = {row["mask_sha256"], mask_before(row)}  # a publish looks at the verdicts on both
        if any((row["sample_id"], mask) in judged for mask in masks) and row["status"] in _VERDICTS:
            verdict = _VERDICTS[row["status"]]
            yield Decision(
                decision_id=str(uuid.uuid5(_DECISION_NAMESPACE, key)),  # the same in a repeated merge
                sample_id=row["sample_id"],
                mask_sha256=row["mask_sha256"],
                verdict=verdict,
                reviewer=" ".join([*row["reviewers"], MERGE]),
                decided_at=row["decided_at"] or now,
                reason=FLAG if verdict == "skip" else row["reason"],
                purpose="second_look",
            )


@contextmanager
def part_to_write(log: DecisionLog | None, parameters: dict[str, object]) -> Iterator[sa.Connection | None]:
    """Open the transaction of an operation's part and note in `parameters` where it begins; None without a log."""
    if log is None:
        yield None
        return
    with log.writing() as connection:
        parameters["log_seq"] = log.last_seq(connection)
        yield connection


def finish_interrupted(store: ManifestStore, log: DecisionLog) -> int:
    """Write what restores and merges since the last publish have not written to the log; return the events' number.

    Verdicts that people gave after such a version stand.
    """
    written = 0
    for manifest in reversed(list(_since_publish(store))):  # in the order in which they were made
        if write_part := _PARTS.get(manifest.operation):
            written += write_part(store, manifest, log)
    if written:
        logger.warning("%d event(s) of an interrupted restore or merge were still to be written to the log", written)
    return written


def _since_publish(store: ManifestStore) -> Iterator[Manifest]:
    """Versions after the last one that a publish made, newest first."""
    for version in reversed(store.versions()):
        manifest = store.open(version)
        if manifest.operation == "review":
            return
        yield manifest


def _take_back(_store: ManifestStore, manifest: Manifest, log: DecisionLog) -> int:
    if (
        not manifest.parameters.get("taken_back") or "log_seq" not in manifest.parameters
    ):  # none, or of an older release
        return 0
    rows = manifest.read(["sample_id", "mask_sha256", "decided_at", "origin"])
    seqs = _seqs(log)
    left = [vote for vote in votes_since(rows, log) if seqs[vote.decision_id] <= manifest.parameters["log_seq"]]
    with log.writing() as connection:
        for vote in left:
            log.undo(vote.decision_id, reviewer=vote.reviewer, now=manifest.created_at, connection=connection)
    return len(left)


def _bring_verdicts(store: ManifestStore, manifest: Manifest, log: DecisionLog) -> int:
    if "log_seq" not in manifest.parameters:  # without a log, or of an older release
        return 0
    if manifest.parent not in store.versions():
        logger.warning("%s: v%s, which it was merged into, is gone", manifest.path, manifest.parent)
        return 0
    rows = _changed_rows(store.open(manifest.parent), manifest)
    seqs = _seqs(log)
    newer = {each.key for each in log.standing() if seqs[each.decision_id] > manifest.parameters["log_seq"]}
    verdicts = merged_verdicts(rows, log, manifest.parameters["other_digest"], now=manifest.created_at)
    left = [each for each in verdicts if each.decision_id not in seqs and each.key not in newer]
    log.append(left)
    return len(left)


def _seqs(log: DecisionLog) -> dict[str, int]:
    """The number of each decision's event, undone ones too."""
    with log.reading() as connection:
        return {event.decision_id: seq for seq, event in log.events_after(0, connection) if isinstance(event, Decision)}


def _changed_rows(before: Manifest, after: Manifest) -> pa.Table:
    """The rows of `after` that are new, or have another mask or verdict than in `before`."""
    old, new = before.read(_COLUMNS), after.read(_COLUMNS)
    place = pc.index_in(new["sample_id"], value_set=old["sample_id"].combine_chunks())
    same = pc.is_valid(place)
    for name in ("mask_sha256", "status", "decided_at"):
        same = pc.and_(same, pc.fill_null(_equal(new[name], old[name].take(place)), False))
    return new.filter(pa.array(~same.to_numpy().astype(bool)))


def _equal(values: pa.ChunkedArray, others: pa.ChunkedArray) -> pa.ChunkedArray:
    """Elementwise, a null being equal to a null."""
    both_null = pc.and_(pc.is_null(values), pc.is_null(others))
    return pc.or_(both_null, pc.fill_null(pc.equal(values, others), False))


_PARTS: dict[str, Callable[[ManifestStore, Manifest, DecisionLog], int]] = {
    RESTORE: _take_back,
    MERGE_LINEAGE: _bring_verdicts,
}
