"""Publish: fold the decision log into the latest version, as the next version.

The log is folded in whole each time, so after a `restore` verdicts that came later than the restored version hold
again, unless they were taken back with it (restore.py). A row whose mask the log doesn't know stays as it is: a verdict
that a `merge` brought from another lineage's log, say.
"""

from collections.abc import Mapping

import pyarrow as pa

from manifests.decisions import ONE_VOTE, DecisionLog, MaskKey, Outcome, Policy
from manifests.errors import UserError
from manifests.schema import SCHEMA
from manifests.store import Manifest, ManifestStore

_FOLDED = ("status", "reason", "reviewers", "votes_accept", "votes_reject", "decided_at", "decision_ms")


class NothingToPublish(UserError):
    """Every decision in the log is in the latest version already."""


def publish(store: ManifestStore, log: DecisionLog, policy: Policy = ONE_VOTE) -> Manifest:
    """Commit the latest version with the log's votes, settled by `policy`; NothingToPublish when no row changes.

    Verdicts apply to the exact mask they were given on, whatever version it was shown from, so publishing
    while others generate or review is safe: what comes later is in the next version.
    """
    latest = store.open()
    parameters: dict[str, object] = {"votes": policy.votes, "conflicts": policy.conflicts}

    def change(table: pa.Table | None, _version: int) -> pa.Table | None:
        outcomes = log.outcomes()  # again at each attempt: older ones would take back what another publisher wrote
        parameters["masks_with_verdict"] = len(outcomes)
        return fold(table, outcomes, policy) if table is not None else None

    manifest = store.update(change, operation="review", parameters=parameters, data_root=latest.data_root)
    if manifest is None:
        raise NothingToPublish(
            f"expected decisions that v{latest.version} doesn't hold, found none; review some masks first"
        )
    return manifest


def fold(table: pa.Table, outcomes: Mapping[MaskKey, Outcome], policy: Policy = ONE_VOTE) -> pa.Table | None:
    """`table` with the folded columns of every mask in `outcomes`; None when no row changes.

    Rows of origin ground_truth are trusted and stay as they are.
    """
    columns = {name: table[name].to_pylist() for name in _FOLDED}
    keys = zip(table["sample_id"].to_pylist(), table["mask_sha256"].to_pylist(), strict=True)
    changed = False
    for row, (key, origin) in enumerate(zip(keys, table["origin"].to_pylist(), strict=True)):
        outcome = outcomes.get(key)
        if outcome is None or origin == "ground_truth":
            continue
        for name, value in verdict_columns(outcome, policy).items():
            changed |= columns[name][row] != value
            columns[name][row] = value
    if not changed:
        return None
    for name, values in columns.items():
        field = SCHEMA.field(name)
        table = table.set_column(SCHEMA.get_field_index(name), field, pa.array(values, field.type))
    return table


def verdict_columns(outcome: Outcome, policy: Policy = ONE_VOTE) -> dict[str, object]:
    """What the manifest says of a mask on which the log says `outcome`; with nothing standing, of a new one."""
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
