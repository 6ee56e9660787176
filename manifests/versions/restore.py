"""Restore: a new version whose rows are those of an older one. Existing versions stay unchanged.

Verdicts stay in the decision log, and `publish` applies each to its exact mask. So a publish after a restore applies
later verdicts again, as it should when the restore is about rows or masks (a bad import, relabelling or merge): the
same mask isn't judged twice. When it is about the verdicts, `take_back` undoes them in the log, each by an event like
its reviewer's undo: the masks wait for review again as in that version. Verdicts that the version holds and that were
undone since stay undone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog
from manifests.errors import UserError, listed
from manifests.files.blobs import BlobStore, blob_path
from manifests.progress import progress
from manifests.store.manifest import Manifest, ManifestStore
from manifests.versions.diff import Diff, diff

OPERATION = "restore"


@dataclass(frozen=True, slots=True)
class Restored:
    """The new version, the changes that it undoes, and later verdicts on its masks: undone, or for the next publish."""

    manifest: Manifest
    undone: Diff
    later: tuple[Decision, ...]


def restore(
    store: ManifestStore, old: Manifest, log: DecisionLog | None = None, *, take_back: bool = False
) -> Restored:
    """Commit the rows of `old`, a version of `store`, as the next version.

    UserError when `old` isn't a version of this store, when the latest version has the same rows, or when blobs are
    missing. CommitConflict when another writer commits meanwhile, since its changes would be undone unseen.
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
    """Undo the votes, if the block succeeds."""
    if log is None or not votes:
        yield
        return
    with log.writing() as connection:
        now = datetime.now(UTC)
        for vote in votes:
            log.undo(vote.decision_id, reviewer=vote.reviewer, now=now, connection=connection)
        yield


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


def blobs_of(rows: pa.Table) -> set[tuple[str, str]]:
    """Path and digest of every image, mask and rival of `rows`."""
    rivals = rows["rival_mask_sha256"].drop_null().unique().to_pylist()
    named = {
        blob
        for kind in ("image", "mask")
        for blob in zip(rows[kind].to_pylist(), rows[f"{kind}_sha256"].to_pylist(), strict=True)
    }
    return named | {(blob_path(sha256, ".png"), sha256) for sha256 in rivals}


def require_blobs(blobs: BlobStore, rows: pa.Table, whose: str) -> None:
    """UserError that lists missing files of `rows`. Digests aren't checked."""
    paths = {path for path, _sha256 in blobs_of(rows)}
    missing = [path for path in progress(paths, "looking for blobs") if not blobs.path(path).is_file()]
    if missing:
        raise UserError(
            f"expected the {len(paths):,} blobs of {whose} under {blobs.root}, found {listed('missing', missing)}; "
            "restore them from a backup or pass the right --data"
        )
