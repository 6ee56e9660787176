"""Publish: fold the decision log into the latest version, as the next version.

The result is that of folding the whole log, so after a `restore` verdicts later than the restored version apply again,
unless the restore undid them (versions/restore.py). What the last published version holds is left out where nothing
came since (since_publish.py). A row whose mask isn't in the log stays as it is, such as one with a
verdict that a `merge` brought from another lineage's log. A row that a policy accepted (accept.py) stays accepted until
people's verdicts settle its mask; then those count alone.
"""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.decisions.activity import ActivityLog, Actor, host_actor
from manifests.decisions.decision import Decision, MaskKey
from manifests.decisions.edits import EDIT_COLUMNS, Row, mask_before, replaced_columns, row_before
from manifests.decisions.log import DecisionLog
from manifests.decisions.log_parts import finish_interrupted
from manifests.decisions.policy import ONE_VOTE, MaskVerdict, Policy
from manifests.decisions.since_publish import OPERATION, due_samples, last_published
from manifests.errors import UserError
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.row_patch import Places, RowPatch
from manifests.store.schema import SCHEMA

_VERDICT_COLUMNS = (
    "status", "reason", "reviewers", "votes_accept", "votes_reject", "decided_at", "decision_ms", "decided_by",
)  # fmt: skip
_KEY_COLUMNS = ("sample_id", "mask_sha256", "edited_from", "chosen_by", "rival_mask_sha256")
COMPARED_COLUMNS = (*_KEY_COLUMNS, *_VERDICT_COLUMNS, *EDIT_COLUMNS)  # all that a fold reads of a row


class NothingToPublish(UserError):
    """Every decision in the log is in the latest version already."""


def publish(store: ManifestStore, log: DecisionLog, policy: Policy = ONE_VOTE, *, by: Actor | None = None) -> Manifest:
    """Commit the latest version with the log's votes, settled by `policy`; NothingToPublish when no row changes.

    The activity log names `by`, by default the account of this machine.

    A verdict applies to one exact mask, whatever version it was shown from, so publishing while others generate or
    review is safe: later verdicts are in the next version.
    """
    finish_interrupted(store, log)
    latest = store.open()
    settings = {"votes": policy.votes, "conflicts": policy.conflicts}
    parameters: dict[str, object] = {}

    def change(base: Manifest | None, _version: int) -> RowPatch | None:
        assert base is not None, "versions are never deleted"
        seq, event = log.head()  # read at each attempt: older outcomes would undo another publisher's
        published = last_published(store, base)
        due = due_samples(published, base, log, settings, COMPARED_COLUMNS) if published else None
        counted = published.parameters if published and due is not None else {"log_seq": 0, "masks_with_verdict": 0}
        with_verdict = counted["masks_with_verdict"] + log.masks_with_vote(after=counted["log_seq"], until=seq)
        parameters.update(settings, masks_with_verdict=with_verdict, log_seq=seq, log_event=event)
        return fold(base, log.outcomes(due), policy)

    manifest = store.amend(change, operation=OPERATION, parameters=parameters, data_root=latest.data_root)
    if manifest is None:
        raise NothingToPublish(
            f"expected decisions that v{latest.version} doesn't hold, found none; review some masks first"
        )
    ActivityLog(log).record_done(by or host_actor(), "publish", f"v{manifest.version}")
    return manifest


def fold(base: Manifest, outcomes: Mapping[MaskKey, MaskVerdict], policy: Policy = ONE_VOTE) -> RowPatch | None:
    """New values of the rows of `base` that `outcomes` change: verdicts, repaired and chosen masks; None without any.

    Rows of origin ground_truth are trusted and stay as they are.
    """
    judged = pa.array({sample_id for sample_id, _mask in outcomes}, pa.string())
    places, has_edits = _due_rows(base, judged)
    has_edits = has_edits or any(each.replacing for each in outcomes.values())
    columns = (*_VERDICT_COLUMNS, *(EDIT_COLUMNS if has_edits else ()))
    parts = base.parts(list(dict.fromkeys((*_KEY_COLUMNS, *columns))), places=places)
    rows = (row for part in parts for row in part.to_pylist())
    changed = []
    for place, row in zip(places.tolist(), rows, strict=True):
        new = _folded(row, outcomes, policy, base)
        if any(new[name] != row[name] for name in columns):
            changed.append((place, {name: new[name] for name in columns}))
    if not changed:
        return None
    cells = pa.Table.from_pylist([new for _place, new in changed], pa.schema([SCHEMA.field(name) for name in columns]))
    return RowPatch(places=np.array([place for place, _new in changed]), cells=cells)


def _due_rows(base: Manifest, judged: pa.Array) -> tuple[Places, bool]:
    """The places of reviewed rows of samples in `judged`, and whether an accept replaced the mask of any row."""
    places, has_edits, first = [np.empty(0, np.int64)], False, 0
    for part in base.parts(["sample_id", "origin", "chosen_by"]):
        reviewed = pc.not_equal(part["origin"], "ground_truth")
        due = pc.and_(pc.is_in(part["sample_id"], value_set=judged), reviewed)
        places.append(first + np.flatnonzero(due.to_numpy()))
        edited = pc.or_(pc.equal(part["origin"], "edited"), pc.is_valid(part["chosen_by"]))
        has_edits = has_edits or pc.any(edited).as_py()
        first += part.num_rows
    return np.concatenate(places), has_edits


def _folded(row: Row, outcomes: Mapping[MaskKey, MaskVerdict], policy: Policy, base: Manifest) -> Row:
    """The row with the verdicts on its mask, or on the mask that it replaced or is replaced by: on that judged last.

    Folding the result again changes nothing.
    """
    outcome = outcomes.get((row["sample_id"], row["mask_sha256"]))
    before = mask_before(row)
    if before:
        replaced = outcomes.get((row["sample_id"], before))
        edit = _replacing(replaced, policy)
        made_it = edit is not None and edit.accepted_mask_sha256 == row["mask_sha256"]
        if not _is_judged(outcome, since=replaced if made_it else None):
            return _replaced_before(row, outcomes, policy, base)
    if outcome is None or (row["decided_by"] and outcome.status(policy) == "pending"):
        return row
    row = {**row, **verdict_columns(outcome, policy)}
    while edit := _replacing(outcome, policy):
        row = {**row, **replaced_columns(edit, row, base)}
        own = outcomes.get((row["sample_id"], row["mask_sha256"]))
        if own is None or not _is_judged(own, since=outcome):
            break
        outcome = own
        row = {**row, **verdict_columns(outcome, policy)}
    return row


def _replacing(outcome: MaskVerdict | None, policy: Policy) -> Decision | None:
    """The accept that replaces the mask, if its verdict is one."""
    return outcome.replacing if outcome and outcome.status(policy) == "accepted" else None


def _is_judged(outcome: MaskVerdict | None, *, since: MaskVerdict | None) -> bool:
    """Whether a mask has a standing vote, later than those on the other mask if given."""
    if outcome is None or not outcome.standing:
        return False
    return since is None or _last_vote(outcome) > _last_vote(since)


def _last_vote(outcome: MaskVerdict) -> datetime:
    return max(decision.decided_at for decision in outcome.standing)


def _replaced_before(row: Row, outcomes: Mapping[MaskKey, MaskVerdict], policy: Policy, base: Manifest) -> Row:
    """The row as the accept that replaced its mask leaves it now: as it is or, where it no longer stands, as before."""
    before = mask_before(row)
    assert before is not None, "the caller has looked"
    outcome = outcomes.get((row["sample_id"], before))
    if outcome is None:  # a merge brought the row from another lineage's log
        return row
    edit = _replacing(outcome, policy)
    if edit and edit.accepted_mask_sha256 == row["mask_sha256"]:
        return {**row, **verdict_columns(outcome, policy)}
    return _folded({**row, **row_before(base, row, before)}, outcomes, policy, base)


def verdict_columns(outcome: MaskVerdict, policy: Policy = ONE_VOTE) -> dict[str, object]:
    """The folded columns of a mask; without a standing vote, those of a new mask."""
    last = outcome.standing[-1] if outcome.standing else None
    return {
        "status": outcome.status(policy),
        "reason": outcome.reason,
        "reviewers": sorted(decision.reviewer for decision in outcome.standing),
        "votes_accept": outcome.votes_accept,
        "votes_reject": outcome.votes_reject,
        "decided_at": last.decided_at if last else None,
        "decision_ms": last.decision_ms if last else None,
        "decided_by": None,
    }
