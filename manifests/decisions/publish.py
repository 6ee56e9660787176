"""Publish: fold the decision log into the latest version, as the next version.

The whole log is folded each time, so after a `restore` verdicts later than the restored version apply again, unless
the restore undid them (versions/restore.py). A row whose mask isn't in the log stays as it is, such as one with a
verdict that a `merge` brought from another lineage's log.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.decisions.decision import MaskKey
from manifests.decisions.log import DecisionLog
from manifests.decisions.policy import ONE_VOTE, MaskVerdict, Policy
from manifests.errors import UserError
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.row_patch import RowPatch
from manifests.store.schema import SCHEMA

_FOLDED = ("status", "reason", "reviewers", "votes_accept", "votes_reject", "decided_at", "decision_ms")
_FOLDED_SCHEMA = pa.schema([SCHEMA.field(name) for name in _FOLDED])


class NothingToPublish(UserError):
    """Every decision in the log is in the latest version already."""


def publish(store: ManifestStore, log: DecisionLog, policy: Policy = ONE_VOTE) -> Manifest:
    """Commit the latest version with the log's votes, settled by `policy`; NothingToPublish when no row changes.

    A verdict applies to one exact mask, whatever version it was shown from, so publishing while others generate or
    review is safe: later verdicts are in the next version.
    """
    latest = store.open()
    parameters: dict[str, object] = {"votes": policy.votes, "conflicts": policy.conflicts}

    def change(base: Manifest | None, _version: int) -> RowPatch | None:
        outcomes = log.outcomes()  # read at each attempt: older outcomes would undo another publisher's
        parameters["masks_with_verdict"] = len(outcomes)
        return fold(base, outcomes, policy) if base is not None else None

    manifest = store.amend(change, operation="review", parameters=parameters, data_root=latest.data_root)
    if manifest is None:
        raise NothingToPublish(
            f"expected decisions that v{latest.version} doesn't hold, found none; review some masks first"
        )
    return manifest


def fold(base: Manifest, outcomes: Mapping[MaskKey, MaskVerdict], policy: Policy = ONE_VOTE) -> RowPatch | None:
    """The folded columns of every mask of `base` in `outcomes` that differ; None when no row changes.

    Rows of origin ground_truth are trusted and stay as they are.
    """
    judged = pa.array({sample_id for sample_id, _mask in outcomes}, pa.string())
    keys = base.read(["sample_id", "mask_sha256", "origin"])
    due = pc.and_(pc.is_in(keys["sample_id"], value_set=judged), pc.not_equal(keys["origin"], "ground_truth"))
    places = np.flatnonzero(due.to_numpy())
    masks = keys.take(pa.array(places)).select(["sample_id", "mask_sha256"]).to_pylist()
    before = base.take(places, _FOLDED).to_pylist()
    changed = []
    for place, mask, old in zip(places.tolist(), masks, before, strict=True):
        outcome = outcomes.get((mask["sample_id"], mask["mask_sha256"]))
        new = verdict_columns(outcome, policy) if outcome is not None else old
        if new != old:
            changed.append((place, new))
    if not changed:
        return None
    cells = pa.Table.from_pylist([new for _place, new in changed], _FOLDED_SCHEMA)
    return RowPatch(places=np.array([place for place, _new in changed]), cells=cells)


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
    }
