"""From pixels to a row: identity, scores and blobs of one sample.

`store_sample` writes the two blobs and returns the row without the columns that depend on the whole dataset
(`group_id`, `split`, `added_in`); `add_rows` adds those.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import lines_on
from manifests.files.blobs import Blob, BlobStore
from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.images import encode_jpeg
from manifests.pixels.masks import PERSON, PERSON_LEVEL, Mask, boundary_band, encode_mask
from manifests.samples.duplicates import perceptual_hash, split_of, turned_hashes
from manifests.samples.groups import Groups, NewSample, NewSamples
from manifests.samples.near_duplicates import RELATED_BY, Relatives
from manifests.store.row_patch import RowPatch
from manifests.store.schema import SCHEMA, Origin

SPECK_FRACTION = 2e-4  # of the image: 10 px of 224x224; smaller regions are invisible, and common in threshold noise
JOINED_COLUMNS = ("sample_id", *RELATED_BY)  # what new rows are compared with
TURNED_PHASHES = "turned_phashes"  # key of a new row, not a column of a manifest

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A source image: the file as it came."""

    name: str
    uri: str
    sha256: str
    license: str | None = None
    attribution: str | None = None


@dataclass(frozen=True, slots=True)
class AddedRows:
    """Rows added to a dataset, None when there is none; `left_out` lists `source_uri`s of look-alikes of two splits."""

    patch: RowPatch | None
    left_out: list[str]

    @property
    def count(self) -> int:
        return self.patch.added.num_rows if self.patch else 0

    def notes(self) -> list[str]:
        """One line on the rows left out, if any."""
        reason = "samples look like others in two splits and are left out: in either they would leak"
        return lines_on({reason: self.left_out})


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of the mask itself: the manifest's columns of these names.

    `confidence` and `boundary_uncertainty` are None for a mask with only 0 and 255: it holds no probability.
    """

    confidence: float | None
    boundary_uncertainty: float | None
    person_fraction: float
    components: int  # of the person, from SPECK_FRACTION on
    holes: int  # in the person, from SPECK_FRACTION on
    border_fraction: float  # person's share of the left, upper and right border: a portrait touches the lower one only


def sample_id(source_sha256: str, roi: Box) -> str:
    """32 hex digits over (source, ROI): the same crop keeps its id whatever mask it gets."""
    return hashlib.sha256(f"{source_sha256}:{roi.x},{roi.y},{roi.w},{roi.h}".encode()).hexdigest()[:32]


def score_mask(mask: Pixels) -> Scores:
    """Scores of a mask uint8 (H, W): mean max-probability, mean 1 - |2p - 1| in the boundary band, its shape."""
    person = mask >= PERSON_LEVEL
    shape = (
        float(person.mean()),
        _count_regions(person),
        _count_regions(np.pad(~person, 1, constant_values=True)) - 1,  # the surroundings are not a hole
        float(np.concatenate([person[:, 0], person[0], person[:, -1]]).mean()),
    )
    if ((mask == 0) | (mask == PERSON)).all():
        return Scores(None, None, *shape)
    prob = mask.astype(np.float32) / PERSON
    uncertainty = 1.0 - np.abs(2.0 * prob - 1.0)
    band = boundary_band(person)
    return Scores(
        float(np.maximum(prob, 1.0 - prob).mean()),
        float(uncertainty[band].mean()) if band.any() else 0.0,
        *shape,
    )


def _count_regions(region: Mask) -> int:
    """Count connected parts (8 neighbours) of a mask bool (H, W), from SPECK_FRACTION on."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    return int(np.count_nonzero(stats[1:count, cv2.CC_STAT_AREA] >= SPECK_FRACTION * region.size))


def store_sample(
    blobs: BlobStore,
    rgb: Pixels,
    mask: Pixels,
    *,
    source: Source,
    roi: Box,
    origin: Origin,
    teacher: str | None = None,
    scores: Scores | None = None,
    others: Mapping[str, float | None] | None = None,
    image_blob: Blob | None = None,
) -> Row:
    """Write image (H, W, 3) and mask (H, W) of one sample as blobs; return its row without group and split.

    `scores` of the mask and `image_blob`, which decodes to `rgb`, are computed when not given; `others` holds further
    columns, such as `face_*` and `doubt`. ValueError when image, mask and ROI differ in size.
    """
    if not rgb.shape[:2] == mask.shape == (roi.h, roi.w):
        raise ValueError(f"expected image and mask of the ROI's size, found {rgb.shape}, {mask.shape}, {roi}")
    image_blob = image_blob or blobs.put(encode_jpeg(rgb), ".jpg")
    mask_blob = blobs.put(encode_mask(mask), ".png")
    scores = scores or score_mask(mask)
    return {
        "sample_id": sample_id(source.sha256, roi),
        "source": source.name,
        "source_uri": source.uri,
        "source_sha256": source.sha256,
        "license": source.license,
        "attribution": source.attribution,
        "image": image_blob.path,
        "image_sha256": image_blob.sha256,
        "width": roi.w,
        "height": roi.h,
        "mask": mask_blob.path,
        "mask_sha256": mask_blob.sha256,
        "roi_x": roi.x,
        "roi_y": roi.y,
        "roi_w": roi.w,
        "roi_h": roi.h,
        **(others or {}),
        "origin": origin,
        "teacher": teacher,
        **asdict(scores),
        "phash": perceptual_hash(rgb),
        TURNED_PHASHES: turned_hashes(rgb),
        "status": "accepted" if origin == "ground_truth" else "pending",
        "reviewers": [],
        "votes_accept": 0,
        "votes_reject": 0,
    }


def add_rows(rows: Iterable[Row], parts: Iterable[pa.Table], *, version: int) -> AddedRows:
    """Add the rows whose sample is new to the dataset, each with group, split and `added_in`.

    A known crop stays as it is: same id, same verdicts. One that looks like samples of two splits is left out.
    `parts` are the dataset's, with JOINED_COLUMNS at least.
    """
    by_id: dict[str, Row] = {}
    for row in rows:
        by_id.setdefault(row["sample_id"], row)
    new = NewSamples.of([_new_sample(row) for row in by_id.values()])
    relatives = Relatives(new.hashes, new.source_sha256s, new.turned)
    ids, known = pa.array(by_id, pa.string()), set[str]()
    for part in parts:
        known.update(part["sample_id"].filter(pc.is_in(part["sample_id"], value_set=ids)).to_pylist())
        relatives.look_at(part)
    related = relatives.found()
    groups = Groups(*(related[name].to_pylist() for name in RELATED_BY))
    rest = [row for name, row in by_id.items() if name not in known]
    added, left_out = [], []
    for row, group_id in zip(rest, groups.assign(NewSamples.of([_new_sample(row) for row in rest])), strict=True):
        if group_id is None:
            left_out.append(row["source_uri"])
        else:
            added.append({**row, "group_id": group_id, "split": split_of(group_id), "added_in": version})
    patch = RowPatch(added=pa.Table.from_pylist(added, schema=SCHEMA)) if added else None
    return AddedRows(patch, left_out)


def _new_sample(row: Row) -> NewSample:
    turned = row.get(TURNED_PHASHES) or ()  # shards of earlier versions have none
    return NewSample(row["sample_id"], row["phash"], row["source_sha256"], turned)
