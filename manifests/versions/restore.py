"""Restore: a new version whose rows are those of an older one. Existing versions stay unchanged.

Verdicts stay in the decision log, and `publish` applies each to its exact mask. So a publish after a restore applies
later verdicts again, as it should when the restore is about rows or masks (a bad import, relabelling or merge): the
same mask isn't judged twice. When it is about the verdicts, `take_back` undoes them in the log, each by an event like
its reviewer's undo: the masks wait for review again as in that version. Verdicts that the version holds and that were
undone since stay undone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog
from manifests.decisions.log_parts import RESTORE, finish_interrupted, part_to_write, votes_since
from manifests.errors import UserError, listed
from manifests.files.blobs import BlobStore, blob_path
from manifests.files.tombstones import Tombstones
from manifests.progress import progress
from manifests.store.manifest import Manifest, ManifestStore
from manifests.versions.diff import Diff, diff


@dataclass(frozen=True, slots=True)
class Restored:
    """The new version, the changes that it undoes, and later verdicts on its masks: undone, or for the next publish."""

    manifest: Manifest
    undone: Diff
    later: tuple[Decision, ...]


def restore(
    store: ManifestStore, old: Manifest, log: DecisionLog | None = None, *, take_back: bool = False
) -> Restored:
    """Commit the rows of `old`, a version of `store`, as the next version, without forgotten samples.

    UserError when `old` isn't a version of this store, when the latest version has the same rows, or when blobs are
    missing. CommitConflict when another writer commits meanwhile, since its changes would be undone unseen.
    """
    if old.path.resolve() != store.path(old.version).resolve():
        raise UserError(
            f"expected a version of {store.root} to restore, found {old.path}; python -m manifests merge brings rows "
            "from elsewhere"
        )
    if log:
        finish_interrupted(store, log)
    latest = store.open()
    rows = Tombstones.read(old.data_root).leave_out(old.read(), str(old.path))
    if latest.read().equals(rows):
        store.sync()
        raise UserError(
            f"expected a version whose rows differ from those of v{latest.version}, the latest, found v{old.version} "
            "with the same; nothing to restore"
        )
    require_blobs(BlobStore(old.data_root), rows, f"v{old.version}")
    later = tuple(votes_since(rows, log)) if log else ()
    undone = later if take_back else ()
    parameters = {"restored_version": old.version, "restored_digest": old.digest, "taken_back": len(undone)}
    with part_to_write(log if undone else None, parameters) as connection:
        manifest = store.commit(
            rows, parent=latest.version, operation=RESTORE, parameters=parameters, data_root=old.data_root
        )
        if log:
            now = datetime.now(UTC)
            for vote in undone:
                log.undo(vote.decision_id, reviewer=vote.reviewer, now=now, connection=connection)
    return Restored(manifest, diff(latest, manifest), later)


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
