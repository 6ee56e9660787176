"""Which accepted rows a checkpoint was not fitted on.

A checkpoint records the version and digest of its manifest, and `trainer.fit` fits on that one's accepted rows of the
split train. A row is out of sample when neither the sample, nor its source image, nor a near-duplicate of it was among
those. Rows of val count as out of sample, though they chose the epoch: one number out of a hundred epochs, not weights.

Unrecorded data are not considered: weights that a run started from (`--init`) and teachers (`--distill`) may have been
fitted on more.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.store.manifest import Manifest
from trainer.weights.checkpoint import CheckpointInfo

IDENTITIES = ("sample_id", "source_sha256", "group_id")


def find_manifest(info: CheckpointInfo, candidates: Iterable[Path]) -> Manifest | None:
    """The manifest that the checkpoint was fitted on, among these files; None when it is missing."""
    for path in candidates:
        if path.is_file():
            manifest = Manifest.open(path)
            if manifest.version == info.manifest_version and manifest.digest == info.manifest_digest:
                return manifest
    return None


def candidate_files(info: CheckpointInfo, directory: Path, others: Sequence[Path]) -> list[Path]:
    """Candidates for the checkpoint's manifest: `others`, a directory of versions, and selections below it."""
    return [*others, *sorted(directory.rglob(f"v{info.manifest_version}.parquet"))]


def not_fitted_on(rows: pa.Table, fitted: Manifest) -> npt.NDArray[np.bool_]:
    """Which of `rows`, a table with IDENTITIES, are out of sample for a checkpoint fitted on `fitted`."""
    table = fitted.read([*IDENTITIES, "split", "status"])
    used = table.filter(pc.and_(pc.equal(table["split"], "train"), pc.equal(table["status"], "accepted")))
    unseen = np.ones(rows.num_rows, bool)
    for name in IDENTITIES:
        unseen &= ~pc.is_in(rows[name], value_set=used[name].combine_chunks()).to_numpy().astype(bool)
    return unseen


def unknown_manifest(path: Path, info: CheckpointInfo, directory: Path) -> UserError:
    """The error for a checkpoint whose training rows are unknown, with the remedy."""
    recorded = f"v{info.manifest_version}, {info.manifest_digest[:12]}" if info.manifest_digest else "none recorded"
    return UserError(
        f"expected the manifest that {path} was fitted on ({recorded}) in {directory}, found none; give it with "
        "--fitted-on, or say --unseen if that checkpoint has seen none of these images"
    )
