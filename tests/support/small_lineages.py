"""Small lineages of versions: made pictures, real blobs, a real decision log."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from joined_rows import join_dataset
from PIL import Image

from manifests.decisions.decision import Decision, Purpose, Verdict
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.decisions.publish import publish
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.masks import encode_mask
from manifests.samples import sample
from manifests.samples.sample import Row, Source, store_sample
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA, Origin

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def picture(seed: int) -> Pixels:
    """Another seed is another picture, far from a look-alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((48, 64), Image.Resampling.BICUBIC))


def mask(level: int) -> Pixels:
    values = np.zeros((64, 48), np.uint8)
    values[20:, :30] = level
    return values


class Lineage:
    """A dataset in a directory: manifests/, data/, and the decision log."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = ManifestStore(root / "manifests")
        self.blobs = BlobStore(root / "data")

    def generate(self, *seeds: int, level: int = 240, rgb: Pixels | None = None, origin: Origin = "teacher") -> None:
        """Commit one pending sample for each seed, or `rgb` as the picture of the one seed."""
        rows = [self._row(seed, level, picture(seed) if rgb is None else rgb, origin) for seed in seeds]
        self._update(lambda table, version: join_dataset(rows, table, version=version), "generate")

    def relabel(self, seed: int, *, level: int) -> None:
        """Commit another mask for the sample; it waits for review again."""
        new = self._row(seed, level, picture(seed), "teacher")
        self.edit({seed: {name: new[name] for name in ("mask", "mask_sha256")} | _UNDECIDED})

    def add_rival(self, seed: int, *, level: int, iou: float = 0.5, doubt: float = 0.25) -> str:
        """Commit another teacher's mask beside the sample's own; its digest."""
        rival = self.blobs.put(encode_mask(mask(level)), ".png").sha256
        columns = {"rival_teacher": "other@ba9876543210", "rival_iou": iou, "rival_doubt": doubt}
        self.edit({seed: {"rival_mask_sha256": rival, **columns}})
        return rival

    def edit(self, changes: dict[int, Row], operation: str = "relabel") -> None:
        """Commit other values of the samples' columns."""
        by_id = {sample_id(seed): values for seed, values in changes.items()}

        def change(table: pa.Table | None, _version: int) -> pa.Table:
            assert table is not None
            rows = [row | by_id.get(row["sample_id"], {}) for row in table.to_pylist()]
            return pa.Table.from_pylist(rows, schema=SCHEMA)

        self._update(change, operation)

    def judge(
        self,
        verdicts: dict[int, Verdict],
        *,
        reviewer: str = "ann",
        minutes: float = 0,
        purpose: Purpose = "work",
        repaired: Pixels | None = None,
        takes_rival: bool | None = None,
    ) -> list[str]:
        """Write verdicts on the present masks to the log, accepts with the `repaired` mask; their ids.

        With `takes_rival`, the rival was shown beside the mask, and an accept takes it (True) or the mask (False).
        """
        edited = self.blobs.put(encode_mask(repaired), ".png").sha256 if repaired is not None else None
        made_at = NOON + timedelta(minutes=minutes)
        decisions = [
            Decision(
                f"{self.root.name}-{reviewer}-{seed}-{minutes}",
                row["sample_id"],
                row["mask_sha256"],
                verdict,
                reviewer,
                made_at,
                purpose=purpose,
                edited_mask_sha256=edited,
                rival_mask_sha256=row["rival_mask_sha256"] if takes_rival is not None else None,
                chosen_mask_sha256=_chosen(row, takes_rival) if verdict == "accept" else None,
            )
            for seed, verdict in verdicts.items()
            for row in [self.row(seed)]
        ]
        with_log = self.log()
        try:
            return with_log.append(decisions)
        finally:
            with_log.close()

    def publish(self) -> Manifest:
        log = self.log()
        try:
            return publish(self.store, log)
        finally:
            log.close()

    def undo(self, decision_id: str, *, reviewer: str = "ann") -> None:
        log = self.log()
        try:
            log.undo(decision_id, reviewer=reviewer)
        finally:
            log.close()

    def log(self) -> DecisionLog:
        return DecisionLog(sqlite_url(self.root / "data"))

    def row(self, seed: int) -> Row:
        return self.rows()[sample_id(seed)]

    def rows(self) -> dict[str, Row]:
        return {row["sample_id"]: row for row in self.store.open().read().to_pylist()}

    def status(self, seeds: Iterable[int]) -> list[str]:
        rows = self.rows()
        return [rows[sample_id(seed)]["status"] for seed in seeds]

    def _row(self, seed: int, level: int, rgb: Pixels, origin: Origin) -> Row:
        teacher = "toy@0123456789ab" if origin == "teacher" else None
        source = Source("web", f"/{seed}.jpg", f"{seed:064x}")
        return store_sample(
            self.blobs, rgb, mask(level), source=source, roi=Box(0, 0, 48, 64), origin=origin, teacher=teacher
        )

    def _update(self, change: Callable[[pa.Table | None, int], pa.Table | None], operation: str) -> None:
        made = self.store.update(change, operation=operation, parameters={}, data_root=self.root / "data")
        assert made is not None


def _chosen(row: Row, takes_rival: bool | None) -> str | None:
    return None if takes_rival is None else row["rival_mask_sha256" if takes_rival else "mask_sha256"]


def sample_id(seed: int) -> str:
    return sample.sample_id(f"{seed:064x}", Box(0, 0, 48, 64))


_UNDECIDED: Row = {
    "status": "pending", "reason": None, "reviewers": [], "votes_accept": 0, "votes_reject": 0, "decided_at": None,
    "decision_ms": None,
}  # fmt: skip
