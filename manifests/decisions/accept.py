"""Accept: the next version, in which a policy has accepted masks that nobody has looked at.

The rows keep empty `reviewers` and no votes; `decided_by` names the policy, its limits and the version, whose metadata
holds all parameters. A person's later verdict on such a mask replaces the policy's at the next publish, another mask of
the sample ends it, and `restore` takes back the whole version.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from manifests.decisions.acceptance import (
    CONFIDENCE,
    Bound,
    Forecast,
    Queue,
    bounds,
    forecasts,
    largest_that_holds,
    next_part,
    require_fit,
)
from manifests.decisions.activity import ActivityLog, Actor, host_actor
from manifests.decisions.audit import Flags, Places, verdicts_on
from manifests.decisions.decision import Decision
from manifests.decisions.error_bound import GoldCounts
from manifests.decisions.gold_verdicts import gold_counts
from manifests.decisions.log import DecisionLog
from manifests.decisions.pairs import PAIR_COLUMNS, waits_for_choice
from manifests.errors import UserError
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.row_patch import RowPatch
from manifests.store.schema import SCHEMA

OPERATION = "accept"
POLICY = "max-error"  # the policy's name


@dataclass(frozen=True, slots=True)
class AcceptOptions:
    """At most the share `max_error` of the masks accepted without a look may be wrong.

    `seed` is the audit's; `gold` replaces the log's own counts of false accepts.
    """

    max_error: float
    seed: int = 0
    gold: GoldCounts | None = None
    allow_misfit: bool = False


@dataclass(frozen=True, slots=True)
class AuditState:
    """The audit as it stands: a bound for each part, and the auditors' false accepts on gold."""

    bounds: list[Bound]
    gold: GoldCounts | None


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """What a version's audit shows about each part of its queue, what it still takes, and the part to audit next."""

    queue: Queue
    bounds: list[Bound]
    forecasts: list[Forecast]
    next: Forecast
    gold: GoldCounts | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The new version, and the bound of the part that it accepts."""

    manifest: Manifest
    bound: Bound
    gold: GoldCounts | None


class BoundNotReached(UserError):
    """The audit doesn't bound the share of wrong masks yet."""


def audit_state(queue: Queue, log: DecisionLog | None, options: AcceptOptions, open_rows: Flags | None) -> AuditState:
    """Return what the standing decisions of `log` show about each part of the queue; as `bounds`."""
    decisions: Sequence[Decision] = log.standing() if log else ()
    verdicts, order = verdicts_on(queue.keys, decisions), queue.order(options.seed)
    without_gold = bounds(queue, verdicts, order, open_rows=open_rows)
    looked = {place for bound in without_gold for place in bound.looked.tolist()}
    reviewers = set[str]().union(*(verdicts.reviewers[place] for place in looked))
    gold = options.gold or (gold_counts(log, decisions, reviewers) if log else None)
    found = bounds(queue, verdicts, order, gold=gold, open_rows=open_rows) if gold else without_gold
    return AuditState(found, gold)


def audit_plan(version: Manifest, log: DecisionLog | None, options: AcceptOptions) -> AuditPlan:
    """Return the state of a version's audit, and what is left of it; UserError where doubt is unknown."""
    queue = Queue.of(version)
    state = audit_state(queue, log, options, None)
    expected = forecasts(queue, state.bounds, max_error=options.max_error, gold=state.gold)
    return AuditPlan(queue, state.bounds, expected, next_part(expected), state.gold)


def gold_line(gold: GoldCounts | None) -> str:
    """What the bound takes the auditors' errors from, in one line."""
    if gold is None:
        return "no gold: the bound assumes that the reviewers' verdicts in the audit are right"
    return (
        f"gold: {gold.false_accepts:,} false accepts in {gold.verdicts:,} verdicts on damaged masks; "
        "the bound allows for as many among the wrong ones"
    )


def accept(
    store: ManifestStore,
    audited_version: Manifest,
    log: DecisionLog,
    options: AcceptOptions,
    *,
    by: Actor | None = None,
) -> Accepted:
    """Commit the latest version with the largest part of the audited version's queue accepted whose bound holds.

    The activity log names `by`, by default the account of this machine.

    Masks that were judged, changed or dropped since stay as they are. BoundNotReached when no part holds, UserError
    when the audit contradicts doubt.
    """
    queue = Queue.of(audited_version)
    parameters: dict[str, object] = {}
    outcome: list[tuple[Bound, GoldCounts | None]] = []

    def change(base: Manifest | None, version: int) -> RowPatch:
        assert base is not None, "the store holds the audited version at least"
        rows = _rows_in(base, queue)
        state = audit_state(queue, log, options, rows >= 0)
        bound = largest_that_holds(state.bounds, options.max_error)
        if bound is None:
            raise _not_reached(state, audited_version, options)
        if not options.allow_misfit:
            require_fit(queue, bound)
        outcome.append((bound, state.gold))
        parameters.update(_parameters(bound, state.gold, audited_version, options))
        cells = {"status": "accepted", "decided_by": _decided_by(bound, options, version)}
        schema = pa.schema([SCHEMA.field(name) for name in cells])
        places = np.sort(rows[bound.rest])
        return RowPatch(places=places, cells=pa.Table.from_pylist([cells] * len(places), schema))

    manifest = store.amend(change, operation=OPERATION, parameters=parameters, data_root=audited_version.data_root)
    assert manifest is not None, "the change is a patch or an error"
    bound, gold = outcome[-1]
    detail = f"v{manifest.version}: {len(bound.rest)} masks, {POLICY} {options.max_error:.4g}"
    ActivityLog(log).record_done(by or host_actor(), "accept", detail)
    return Accepted(manifest, bound, gold)


def _rows_in(base: Manifest, queue: Queue) -> Places:
    """The row of each mask of the queue that still waits in `base`; -1 for the others."""
    table = base.read(["sample_id", "mask_sha256", *PAIR_COLUMNS])
    paired = waits_for_choice(table).to_numpy()  # a relabelling since may have added another mask
    waiting = np.flatnonzero((np.array(table["status"].to_pylist()) == "pending") & ~paired)
    pending = table.select(["sample_id", "mask_sha256"]).take(pa.array(waiting))
    keys = zip(pending["sample_id"].to_pylist(), pending["mask_sha256"].to_pylist(), strict=True)
    row_of = dict(zip(keys, waiting.tolist(), strict=True))
    return np.array([row_of.get(key, -1) for key in queue.keys], np.int64)


def _decided_by(bound: Bound, options: AcceptOptions, version: int) -> str:
    limits = f"{options.max_error:.4g}, doubt at most {bound.part}, {CONFIDENCE:.0%} confidence"
    return f"policy {POLICY} {limits}, v{version}"


def _parameters(
    bound: Bound, gold: GoldCounts | None, audited_version: Manifest, options: AcceptOptions
) -> dict[str, object]:
    return {
        "policy": POLICY,
        "max_error": options.max_error,
        "confidence": CONFIDENCE,
        "max_doubt": float(str(bound.part)),
        "audited_version": audited_version.version,
        "audited_digest": audited_version.digest,
        "seed": options.seed,
        "audit_looks": len(bound.looked),
        "audit_wrong": bound.wrong,
        "gold": asdict(gold) if gold else None,
        "accepted": len(bound.rest),
        "wrong_limit": bound.limit,
        "wrong_share_limit": round(bound.share_limit, 6),
        "allow_misfit": options.allow_misfit,
    }


def _not_reached(state: AuditState, audited_version: Manifest, options: AcceptOptions) -> BoundNotReached:
    nearest = min(state.bounds, key=lambda bound: bound.share_limit)
    return BoundNotReached(
        f"expected a part of the queue of v{audited_version.version} whose masks without a look can't be wrong in more "
        f"than {options.max_error:.2%} of cases, found {nearest.share_limit:.2%} after {len(nearest.looked):,} audit "
        f"looks, {nearest.wrong:,} wrong, at a doubt of {nearest.part} or less; go on with the audit (--plan "
        "shows how), or raise --max-error"
    )
