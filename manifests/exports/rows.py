"""The rows of an export, and their pixels: one sample at a time, in the order of split and sample id."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.exports.options import BINARY, ExportOptions
from manifests.exports.sorted_rows import Ranks, SortedRows
from manifests.files.blobs import BlobStore
from manifests.files.tombstones import Tombstones
from manifests.pixels.masks import PERSON_LEVEL, Mask, decode_mask, encode_mask
from manifests.progress import progress
from manifests.samples.sample import Row
from manifests.store.hexdigits import Numbers, ascending, id_numbers
from manifests.store.manifest import Manifest
from manifests.store.schema import PART_ROWS, SCHEMA, Split, Status
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
_SPLITS = pa.array(get_args(Split))
_COUNTED_BY = ("split", "origin", "teacher", "source", "license")
_VOTES = ("votes_accept", "votes_reject")


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
    """Rows of one version by split and sample id, read a part at a time; pixels are read on demand.

    `facts` counts them (`rows`, `votes_accept`, `votes_reject`) by split, origin, teacher, source, license, by_policy.
    """

    manifest: Manifest
    facts: pa.Table
    split: SplitOrAll
    status: StatusOrAll
    _sorted: SortedRows

    def __len__(self) -> int:
        return self.total("rows")

    def __enter__(self) -> "ExportRows":
        return self

    def __exit__(self, *_error: object) -> None:
        self._sorted.close()

    @cached_property
    def _counts(self) -> dict[str, int]:
        by_split = self.counts_by("split")
        return dict(zip(by_split["split"].to_pylist(), by_split["rows"].to_pylist(), strict=True))

    @cached_property
    def splits(self) -> list[Split]:
        """The splits that occur, in the order train, val, test."""
        return [split for split in get_args(Split) if self.count(split)]

    def count(self, split: Split) -> int:
        return self._counts.get(split, 0)

    def total(self, column: str) -> int:
        """The sum of `rows`, `votes_accept` or `votes_reject`."""
        return int(pc.sum(self.facts[column]).as_py())

    def counts_by(self, *columns: str) -> pa.Table:
        """The number of rows (`rows`) for each combination of values in columns of `facts`."""
        counts = self.facts.group_by(list(columns)).aggregate([("rows", "sum")])
        return counts.rename_columns([*columns, "rows"])

    def distinct(self, column: str) -> list[str]:
        """The distinct values of a column of `facts`, sorted, without null."""
        return sorted(pc.unique(self.facts[column]).drop_null().to_pylist())

    def lacks(self, column: str) -> bool:
        """Whether a row has no value in that column of `facts`."""
        return bool(self.facts[column].null_count)

    def rows(self, split: Split) -> Iterator[Row]:
        """The rows of one split, without pixels."""
        names = get_args(Split)
        begin = sum(self.count(name) for name in names[: names.index(split)])
        for part in self._sorted.between(begin, begin + self.count(split)):
            for batch in part.to_batches(max_chunksize=_ROWS_AT_ONCE):
                yield from batch.to_pylist()

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
    """The rows of one split and status, without forgotten samples; UserError when there are none.

    They are to be closed, as a context: more than a part of them lie in a temporary file.
    """
    choice = _Choice(Tombstones.read(manifest.data_root), split, status)
    ids, splits = list[Numbers](), list[npt.NDArray[np.uint8]]()
    facts, forgotten = list[pa.Table](), list[pa.Table]()
    for part in manifest.parts(["sample_id", "status", "decided_by", *_COUNTED_BY, *_VOTES]):
        forgotten.append(choice.forgotten(part))
        rows = choice.of(part)
        numbers = id_numbers(rows["sample_id"])
        assert numbers is not None, "reading checks the ids"
        ids.append(numbers)
        splits.append(
            pc.fill_null(pc.index_in(rows["split"], value_set=_SPLITS), len(_SPLITS)).to_numpy().astype(np.uint8)
        )
        facts.append(_facts(rows))
    choice.tombstones.leave_out(pa.concat_tables(forgotten), str(manifest.path))  # for its warning, once
    summary = _sum(pa.concat_tables(facts))
    if not summary.num_rows:
        counts = ", ".join(f"{count} {what}" for what, count in manifest.counts.items())
        raise UserError(
            f"expected rows of status {status} and split {split} in {manifest.path}, found none ({counts}); "
            "choose others with --status and --split"
        )
    columns = [*METADATA_COLUMNS, *_PIXEL_COLUMNS]
    chosen = (choice.of(part) for part in manifest.parts(columns))
    ranks = _ranks(np.concatenate(ids), np.concatenate(splits))
    return ExportRows(manifest, summary, split, status, SortedRows(chosen, ranks, PART_ROWS, columns))


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which rows of a part, with sample_id, split and status, are exported."""

    tombstones: Tombstones
    split: SplitOrAll
    status: StatusOrAll

    def of(self, part: pa.Table) -> pa.Table:
        """The chosen rows."""
        if self.tombstones.samples:
            part = part.filter(pc.invert(self.tombstones.of_samples(part)))
        if self.status != "all":
            part = part.filter(pc.field("status") == self.status)
        return part if self.split == "all" else part.filter(pc.field("split") == self.split)

    def forgotten(self, part: pa.Table) -> pa.Table:
        """The ids of forgotten samples, whatever their split and status."""
        return part.select(["sample_id"]).filter(self.tombstones.of_samples(part))


def _facts(rows: pa.Table) -> pa.Table:
    """`ExportRows.facts` of some rows."""
    columns = {name: rows[name] for name in (*_COUNTED_BY, *_VOTES)} | {
        "by_policy": pc.is_valid(rows["decided_by"]),
        "rows": pa.array(np.ones(rows.num_rows, np.int64)),
    }
    return _sum(pa.table(columns))


def _sum(facts: pa.Table) -> pa.Table:
    sums = ["rows", *_VOTES]
    keys = [*_COUNTED_BY, "by_policy"]
    return facts.group_by(keys).aggregate([(name, "sum") for name in sums]).rename_columns([*keys, *sums])


def _ranks(ids: Numbers, splits: npt.NDArray[np.uint8]) -> Ranks:
    """Each row's place in the order of split and sample id."""
    by_id = ascending(ids)
    order = by_id[np.argsort(splits[by_id], kind="stable")]
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


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
