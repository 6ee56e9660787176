"""The rows of an export, and their pixels: one sample at a time, in the order of split and sample id."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.exports.options import BINARY, ExportOptions
from manifests.files.blobs import BlobStore
from manifests.files.tombstones import Tombstones
from manifests.pixels.masks import PERSON_LEVEL, Mask, decode_mask, encode_mask
from manifests.progress import progress
from manifests.samples.sample import Row
from manifests.store.manifest import Manifest
from manifests.store.schema import SCHEMA, Split, Status
from manifests.store.training_rows import SplitOrAll

StatusOrAll = Status | Literal["all"]
STATUSES: tuple[str, ...] = (*get_args(Status), "all")

METADATA_COLUMNS = (
    "sample_id", "split", "status", "origin", "teacher", "source", "source_uri", "source_sha256", "license",
    "attribution", "width", "height", "roi_x", "roi_y", "roi_w", "roi_h", "person_fraction", "confidence",
    "boundary_uncertainty", "doubt", "votes_accept", "votes_reject", "decided_by", "phash", "group_id",
    "image_sha256", "mask_sha256",
)  # fmt: skip
METADATA_SCHEMA = pa.schema([SCHEMA.field(name) for name in METADATA_COLUMNS])

_ROWS_AT_ONCE = 1024  # as Python objects
_PIXEL_COLUMNS = ("image", "mask")


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One sample with the stored bytes of its image and its mask's PNG."""

    row: Row
    image: bytes
    mask: bytes

    @property
    def id(self) -> str:
        return str(self.row["sample_id"])

    @property
    def image_suffix(self) -> str:
        return image_suffix(self.row)

    def person(self) -> Mask:
        """The mask as bool (H, W), true = person; UserError when its size isn't the sample's."""
        mask = decode_mask(self.mask)
        expected = (self.row["height"], self.row["width"])
        if mask.shape != expected:
            raise UserError(
                f"expected the mask of sample {self.id} to be {expected} (H, W), found {mask.shape}; "
                "python -m manifests verify lists all such rows"
            )
        return mask >= PERSON_LEVEL

    def mask_png(self, options: ExportOptions = BINARY) -> bytes:
        """The mask as PNG: the stored probabilities, or only 0 and the person's value."""
        return self.mask if options.soft else encode_mask(self.person().astype(np.uint8) * options.person_value)


@dataclass(frozen=True)
class ExportRows:
    """Rows of one version: `table` has them sorted by sample id; pixels are read on demand."""

    manifest: Manifest
    table: pa.Table
    split: SplitOrAll
    status: StatusOrAll

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def splits(self) -> list[Split]:
        """The splits that occur, in the order train, val, test."""
        present = set(pc.unique(self.table["split"]).to_pylist())
        return [split for split in get_args(Split) if split in present]

    def count(self, split: Split) -> int:
        return int(pc.sum(pc.equal(self.table["split"], split)).as_py())

    def distinct(self, column: str) -> list[str]:
        """The distinct values of a column, sorted, without null."""
        return sorted(pc.unique(self.table[column]).drop_null().to_pylist())

    def rows(self, split: Split) -> Iterator[Row]:
        """The rows of one split, without pixels."""
        for batch in self.table.to_batches(max_chunksize=_ROWS_AT_ONCE):
            yield from batch.filter(pc.equal(batch["split"], split)).to_pylist()

    def all_rows(self) -> Iterator[Row]:
        """The rows of all splits, one split after another."""
        return (row for split in self.splits for row in self.rows(split))

    def ids(self, split: Split) -> Iterator[bytes]:
        """The sample ids of one split as lines."""
        return (f"{row['sample_id']}\n".encode() for row in self.rows(split))

    def samples(self, split: Split) -> Iterator[ExportRow]:
        """The samples of one split; BlobError when pixels are missing or altered."""
        blobs = BlobStore(self.manifest.data_root)
        for row in progress(self.rows(split), f"exporting {split}", total=self.count(split)):
            pixels = (blobs.read(row[name], row[f"{name}_sha256"]) for name in _PIXEL_COLUMNS)
            yield ExportRow(row, *pixels)

    def provenance(self) -> dict[str, object]:
        """The manifest, its digest, and the choice of rows; the same choice gives the same values."""
        return {
            "made_by": f"maskfoundry {self.manifest.code_version}",
            "manifest": self.manifest.path.name,
            "manifest_version": self.manifest.version,
            "manifest_sha256": self.manifest.digest,
            "manifest_created_at": self.manifest.created_at.isoformat(),
            "split": self.split,
            "status": self.status,
            "rows": len(self),
        }


def choose_rows(manifest: Manifest, *, split: SplitOrAll = "all", status: StatusOrAll = "accepted") -> ExportRows:
    """The rows of one split and status, without forgotten samples; UserError when there are none."""
    table = manifest.read([*METADATA_COLUMNS, *_PIXEL_COLUMNS])
    table = Tombstones.read(manifest.data_root).leave_out(table, str(manifest.path))
    if status != "all":
        table = table.filter(pc.field("status") == status)
    if split != "all":
        table = table.filter(pc.field("split") == split)
    if not table.num_rows:
        counts = ", ".join(f"{count} {what}" for what, count in manifest.counts.items())
        raise UserError(
            f"expected rows of status {status} and split {split} in {manifest.path}, found none ({counts}); "
            "choose others with --status and --split"
        )
    return ExportRows(manifest, table.sort_by("sample_id"), split, status)


def metadata(row: Row) -> Row:
    """A row's metadata in an export; a local source file is named without its directory."""
    return {name: row[name] for name in METADATA_COLUMNS} | {"source_uri": _published(row["source_uri"])}


def file_names(row: Row) -> dict[str, str]:
    """The row's image and mask in folders. Hugging Face reads columns that end in _file_name as images."""
    sample_id = row["sample_id"]
    return {"file_name": f"images/{sample_id}{image_suffix(row)}", "mask_file_name": f"masks/{sample_id}.png"}


def image_suffix(row: Row) -> str:
    return PurePosixPath(row["image"]).suffix


def _published(uri: str) -> str:
    """Keep a URL, which gives credit; drop local directories."""
    return uri if "://" in uri and not uri.startswith("file:") else PurePosixPath(uri).name
