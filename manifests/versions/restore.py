"""Restore: a new version whose rows are those of an older one. Nothing is rewritten and no version goes away.

Verdicts are no part of a version: they stay in the decision log, and `publish` applies every verdict to the exact mask
it was given on. So a publish after a restore brings back those that restored rows don't hold yet, which is right when
the restore was about rows or masks (a bad import, relabelling or merge): nobody judges the same mask twice. When it was
about the verdicts themselves, `take_back` undoes them in the log, each by an event of its own, as its reviewer's undo
would: the masks wait for review again as they did in that version, on the page too. Verdicts that the version holds
and that were undone since stay undone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.progress import progress
from manifests.store.manifest import Manifest, ManifestStore
from manifests.versions.diff import Diff, diff

OPERATION = "restore"

_NAMED = 3  # missing blobs; the count says how many there are


@dataclass(frozen=True, slots=True)
class Restored:
    """The new version, what it undoes, and the later verdicts on its masks: taken back, or for the next publish."""

    manifest: Manifest
    undone: Diff
    later: tuple[Decision, ...]


def restore(
    store: ManifestStore, old: Manifest, log: DecisionLog | None = None, *, take_back: bool = False
) -> Restored:
    """Commit the rows of `old`, a version of `store`, as the next version.

    UserError when `old` is no version of this store, when the latest version has the same rows already, and when
    blobs of it are gone. CommitConflict when somebody commits meanwhile: what that did would be undone unseen.
    """
    if old.path.resolve() != store.path(old.version).resolve():
        raise UserError(
            f"expected a version of {store.root} to restore, found {old.path}; python -m manifests merge brings rows "
            "from elsewhere"
        )
    latest, rows = store.open(), old.read()
    if latest.read().equals(rows):
        raise UserError(
            f"expected a version whose rows differ from those of v{latest.version}, the latest, found v{old.version} "
            "with the same; nothing to restore"
        )
    require_blobs(BlobStore(old.data_root), rows, f"v{old.version}")
    later = tuple(votes_since(rows, log)) if log else ()
    undone = later if take_back else ()
    parameters = {"restored_version": old.version, "restored_digest": old.digest, "taken_back": len(undone)}
    with _undone_in(log, undone):
        manifest = store.commit(
            rows, parent=latest.version, operation=OPERATION, parameters=parameters, data_root=old.data_root
        )
    return Restored(manifest, diff(latest, manifest), later)


@contextmanager
def _undone_in(log: DecisionLog | None, votes: Sequence[Decision]) -> Iterator[None]:
    """The votes are taken back when the body ends well, and not at all otherwise."""
    if log is None or not votes:
        yield
        return
    with log.writing() as connection:
        now = datetime.now(UTC)
        for vote in votes:
            log.undo(vote.decision_id, reviewer=vote.reviewer, now=now, connection=connection)
        yield


def votes_since(rows: pa.Table, log: DecisionLog) -> Iterator[Decision]:
    """Standing votes on masks of `rows` that these don't hold: they were given after the row's last one."""
    votes = [decision for decision in log.standing() if decision.is_vote]
    judged = pa.array({vote.sample_id for vote in votes}, pa.string())
    reviewed = pc.and_(pc.is_in(rows["sample_id"], value_set=judged), pc.not_equal(rows["origin"], "ground_truth"))
    columns = rows.filter(reviewed).select(["sample_id", "mask_sha256", "decided_at"]).to_pylist()
    decided_at = {(row["sample_id"], row["mask_sha256"]): row["decided_at"] for row in columns}
    for vote in votes:
        if vote.key in decided_at and (decided_at[vote.key] is None or vote.decided_at > decided_at[vote.key]):
            yield vote


def require_blobs(blobs: BlobStore, rows: pa.Table, whose: str) -> None:
    """UserError when files that `rows` name are not there: how many, and the first by name. No digest is taken."""
    named = {path for name in ("image", "mask") for path in rows[name].unique().to_pylist()}
    missing = sorted(path for path in progress(named, "looking for blobs") if not blobs.path(path).is_file())
    if missing:
        more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
        raise UserError(
            f"expected the {len(named):,} blobs of {whose} under {blobs.root}, found {len(missing):,} missing "
            f"({', '.join(missing[:_NAMED])}{more}); bring them back from a backup or pass the right --data"
        )
