"""Rows of a run -> one manifest version; of finished shards, with a table of unusable images."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.files.tombstones import Tombstones
from manifests.samples.sample import JOINED_COLUMNS, AddedRows, Row, add_rows
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.row_patch import RowPatch
from pipeline.faces.face import MIN_FACE_PX
from pipeline.labelling.shards import SMALL_FACES, ShardResult, read_columns, read_quarantine, read_rows, run_digest
from pipeline.quarantine import QuarantineRow, write_quarantine


@dataclass(frozen=True, slots=True)
class Generated:
    """Result of a run: the version with its samples, and the table of unusable images, if any.

    `samples` counts each sample once, however many copies of its image there are. `left_out` counts samples that look
    like others in two splits; `notes` are lines on them, on copies and on small faces. `reasons` counts the unusable
    images by reason, the most frequent first. `sheet` is the path of the contact sheet, None where none is written.
    """

    manifest: str
    samples: int
    samples_added: int
    left_out: int
    notes: list[str]
    quarantined: int
    quarantine_table: str | None
    reasons: Mapping[str, int] = field(default_factory=dict)
    sheet: str | None = None

    def __str__(self) -> str:
        existing = self.samples - self.samples_added - self.left_out
        text = f"{self.samples} portrait(s)"
        if existing:
            text += f", {existing} of them in the dataset already, where they keep their masks"
        text += "".join(f"; {note}" for note in self.notes)
        if self.quarantine_table:
            reasons = ", ".join(f"{count} {reason}" for reason, count in self.reasons.items())
            text += f"; {self.quarantined} image(s) can't be used ({reasons}), see {self.quarantine_table}"
        return text


def commit_shards(
    results: Sequence[ShardResult],
    store: ManifestStore,
    data_root: Path,
    *,
    parameters: Mapping[str, object],
    added_before: int = 0,
) -> Generated:
    """Commit the shards' samples as the next version; UserError without any.

    When the dataset holds them all already, the result is the latest version. `added_before` counts the samples that
    the same run has committed in parts.
    """
    copies, samples = _copies_and_samples(results)
    quarantined = read_quarantine(results)
    table = write_quarantine_table(quarantined, results, data_root) if quarantined else None
    if samples == 0:
        reasons = ", ".join(sorted({str(row["reason"]) for row in quarantined}))
        raise UserError(
            f"expected at least one portrait from {parameters['images']}, found none in {len(quarantined)} "
            f"image(s) ({reasons}); see {table} for each reason"
        )
    counts = {"samples": samples, "quarantined": len(quarantined)}
    manifest, added = commit_rows(lambda: read_rows(results), store, data_root, parameters={**parameters, **counts})
    path = (manifest or store.open()).path
    listed_in = str(table) if table else None
    copied = [f"{copies} cop{'y' if copies == 1 else 'ies'} of other images left out"] if copies else []
    notes = [*added.notes(), *copied, *_small_faces(results)]
    counts_by_reason = dict(Counter(str(row["reason"]) for row in quarantined).most_common())
    return Generated(
        manifest=str(path),
        samples=samples,
        samples_added=added_before + added.count,
        left_out=len(added.left_out),
        notes=notes,
        quarantined=len(quarantined),
        quarantine_table=listed_in,
        reasons=counts_by_reason,
    )


def commit_rows(
    rows: Callable[[], Iterable[Row]], store: ManifestStore, data_root: Path, *, parameters: Mapping[str, object]
) -> tuple[Manifest | None, AddedRows]:
    """Commit the rows that are new to the dataset as the next version, None without any; forgotten ones stay out.

    `rows()` is called again after each version that others commit meanwhile.
    """
    added = AddedRows(None, [])

    def change(base: Manifest | None, version: int) -> RowPatch | None:
        nonlocal added
        kept = Tombstones.read(data_root).keep(rows())  # of shards finished before
        added = add_rows(kept, base.parts(JOINED_COLUMNS) if base else (), version=version)
        return added.patch

    manifest = store.amend(change, operation="generate", parameters=parameters, data_root=data_root)
    return manifest, added


def _copies_and_samples(results: Sequence[ShardResult]) -> tuple[int, int]:
    """Count the rows that repeat a sample, since their images have the same bytes, and the distinct samples."""
    rows = read_columns(results, ["sample_id"])
    samples = pc.count_distinct(rows["sample_id"]).as_py()
    return rows.num_rows - samples, samples


def _small_faces(results: Sequence[ShardResult]) -> list[str]:
    """A line on the faces that are too small for a portrait, if any."""
    rows = read_columns(results, ["source_uri", SMALL_FACES])
    counts = rows.group_by("source_uri").aggregate([(SMALL_FACES, "max")])[f"{SMALL_FACES}_max"].to_pylist()
    images = sum(count > 0 for count in counts)
    note = f"{sum(counts)} face(s) under {MIN_FACE_PX} px in {images} image(s) are left out"
    return [note] if images else []


def write_quarantine_table(
    quarantined: Sequence[QuarantineRow], results: Sequence[ShardResult], data_root: Path
) -> Path:
    """Write the table under the data root, named by the shards: a rerun writes the same file."""
    path = data_root / "quarantine" / f"{run_digest(results)}.csv"
    write_quarantine(quarantined, path)
    return path
