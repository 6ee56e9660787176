"""Forget: delete the pixels of source images or samples from a dataset, for good.

`forget_plan.find_forgotten` lists them; `forget` then

1. writes a tombstone, so that no import, generate, merge or restore brings them back,
2. commits a version without their rows, if the latest one has them,
3. deletes their blobs (images, masks, rivals, repaired and damaged masks), all decoded pixels under `cache/`, all
   contact sheets under `reports/`, and embeddings of the images.

Killed in between, a rerun does the rest. Rows of earlier versions stay, with ids, digests and URIs; what they name is
gone. A blob that other samples have too (an equal mask) stays. The source images themselves are never touched.
"""

import shutil
from pathlib import Path

import numpy as np

from manifests.files.atomic import sync
from manifests.files.tombstones import Tombstones, write_tombstones
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.row_patch import RowPatch
from manifests.upkeep.forget_plan import ForgetPlan
from manifests.upkeep.garbage import Garbage, Orphan, delete_garbage

OPERATION = "forget"


def forget(store: ManifestStore, data_root: Path, plan: ForgetPlan) -> tuple[Manifest | None, list[Orphan]]:
    """Delete what `plan` lists; return the version without its samples, None where the latest has none, and the blobs.

    Every step may be repeated.
    """
    write_tombstones(data_root, plan.tombstones)
    manifest = store.amend(
        lambda base, _version: _without(base, plan.tombstones),
        operation=OPERATION,
        parameters={"samples": len(plan.samples)},
        data_root=data_root,
    )
    deleted = delete_garbage(Garbage(len(plan.blobs), plan.blobs, ()), data_root)
    for directory in {orphan.path.parent for orphan in deleted}:
        sync(directory)
    for path in plan.derived:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return manifest, deleted


def _without(base: Manifest | None, tombstones: Tombstones) -> RowPatch | None:
    """The patch that drops forgotten samples; None where there are none."""
    if base is None:
        return None
    places = np.flatnonzero(tombstones.of_samples(base.read(["sample_id"])).to_numpy())
    return RowPatch(dropped=places) if len(places) else None
