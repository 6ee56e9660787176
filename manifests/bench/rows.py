"""Synthetic rows for `manifests.bench`: a real dataset's columns, ids of random hex digits.

They are made in parts from a fixed seed, so that millions of rows never lie in memory together.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from manifests.files.blobs import BlobStore
from manifests.pixels.images import encode_jpeg
from manifests.pixels.masks import encode_mask
from manifests.samples.duplicates import split_of
from manifests.samples.groups import NewSamples
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import PART_ROWS, SCHEMA

SEED = 20
SOURCES = ("studio", "street", "web", "passport", "film")

_DECIDED_AT = datetime(2026, 1, 1, tzinfo=UTC)
_Characters = npt.NDArray[np.uint8]


def made_up_parts(rows: int, *, seed: int = SEED, version: int = 1) -> Iterator[pa.Table]:
    """`rows` valid rows: two in three accepted, most of the others pending, every fifth a near-duplicate."""
    rng = np.random.default_rng(seed)
    for first in range(0, rows, PART_ROWS):
        yield _part(rng, min(PART_ROWS, rows - first), version)


def made_up_samples(count: int) -> NewSamples:
    """New samples of as many source images, every fifth a near-duplicate of another, with seven turned hashes each."""
    rng = np.random.default_rng(SEED)
    ids = [f"{number:032x}" for number in range(count)]
    hashes, turned = (rng.integers(0, 2**64, size, dtype=np.uint64) for size in (count, 7 * count))
    copies = np.flatnonzero(rng.random(count) < 0.2)
    originals = hashes[rng.integers(0, count, len(copies))]
    hashes[copies] = originals ^ (np.uint64(1) << rng.integers(0, 64, len(copies), dtype=np.uint64))
    return NewSamples(ids, ids, hashes, turned, np.repeat(np.arange(count), 7))


def made_up_blobs(store: ManifestStore, blobs: int) -> Manifest:
    """A version with `blobs` blobs in the data root: a portrait's JPEG and its mask's PNG, half each.

    They have the same pixels, and differ in bytes after their end, which no decoder reads.
    """
    rng = np.random.default_rng(SEED)
    coarse = rng.integers(0, 256, (16, 12, 3), np.uint8)
    rgb = np.asarray(Image.fromarray(coarse).resize((480, 640), Image.Resampling.BICUBIC))
    shape = Image.fromarray(coarse[..., 0]).resize((480, 640), Image.Resampling.BICUBIC)
    image, mask = encode_jpeg(rgb), encode_mask(np.asarray(shape))
    data, rows = store.root.parent / "data", pa.concat_tables(made_up_parts(blobs // 2))
    blob_store = BlobStore(data)
    images = [blob_store.put(image + rng.bytes(16), ".jpg") for _ in range(blobs // 2)]
    masks = [blob_store.put(mask + rng.bytes(16), ".png") for _ in range(blobs // 2)]
    columns = {
        "image": [blob.path for blob in images],
        "image_sha256": [blob.sha256 for blob in images],
        "mask": [blob.path for blob in masks],
        "mask_sha256": [blob.sha256 for blob in masks],
        **dict.fromkeys(("width", "roi_w"), np.full(blobs // 2, 480, np.int32)),
        **dict.fromkeys(("height", "roi_h"), np.full(blobs // 2, 640, np.int32)),
    }
    for name, values in columns.items():
        rows = rows.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), pa.array(values))
    return store.commit(rows, parent=None, operation="generate", parameters={}, data_root=data)


def _part(rng: np.random.Generator, count: int, version: int) -> pa.Table:
    ids, image, mask = _hex(rng, count, 32), _hex(rng, count, 64), _hex(rng, count, 64)
    leader = np.where((rng.random(count) < 0.2) & (np.arange(count) % 2 == 1), np.arange(count) - 1, np.arange(count))
    origin = rng.choice(np.array([0, 1, 2]), count, p=[0.15, 0.15, 0.7])
    status = np.where(origin == 0, 0, rng.choice(np.array([0, 1, 2, 3]), count, p=[0.6, 0.3, 0.09, 0.01]))
    width, height = rng.integers(160, 1600, (2, count), dtype=np.int32)
    by_teacher, judged = origin == 2, (status != 1) & (origin != 0)
    columns = {
        "sample_id": _text(ids),
        "source": _words(SOURCES, rng.integers(0, len(SOURCES), count)),
        "source_uri": _text(_framed(b"https://photos.example.org/", _hex(rng, count, 16), b".jpg")),
        "source_sha256": _text(_hex(rng, count, 64)),
        "license": _words(("CC0", "CC BY 4.0"), rng.integers(0, 2, count), among=rng.random(count) < 0.8),
        "image": _text(_blob_path(image, b".jpg")),
        "image_sha256": _text(image),
        "width": width,
        "height": height,
        "mask": _text(_blob_path(mask, b".png")),
        "mask_sha256": _text(mask),
        "roi_x": rng.integers(0, 2000, count, dtype=np.int32),
        "roi_y": rng.integers(0, 2000, count, dtype=np.int32),
        "roi_w": width,
        "roi_h": height,
        **{name: rng.random(count, np.float32) * 1000 for name in ("face_x", "face_y", "face_w", "face_h")},
        "face_prob": rng.random(count, np.float32),
        "origin": _words(("ground_truth", "face_crop", "teacher"), origin),
        "teacher": _words(("deeplabv3plus@0123456789ab",), np.zeros(count, int), among=by_teacher),
        **{name: _some(rng.random(count, np.float32), by_teacher) for name in ("confidence", "boundary_uncertainty")},
        "person_fraction": rng.random(count, np.float32),
        "doubt": _some(rng.random(count, np.float32), by_teacher),
        "phash": _text(_hex(rng, count, 16)),
        "group_id": _text(ids[leader]),
        "split": _split(ids[leader]),
        "status": _words(("accepted", "pending", "rejected", "conflict"), status),
        "reason": _words(("hair", "hands", "background"), rng.integers(0, 3, count), among=status == 2),
        "reviewers": _reviewers(rng, judged),
        "votes_accept": (judged & (status == 0)).astype(np.int32),
        "votes_reject": (status == 2).astype(np.int32),
        "decided_at": _some(np.full(count, _DECIDED_AT.timestamp() * 1e6, np.int64), judged),
        "decision_ms": _some(rng.integers(400, 5000, count, dtype=np.int32), judged),
        "added_in": np.full(count, version, np.int32),
    }
    return pa.table([_column(columns, field, count) for field in SCHEMA], SCHEMA)


def _column(columns: dict[str, object], field: pa.Field, count: int) -> pa.Array:
    values = columns.get(field.name)
    if values is None:
        return pa.nulls(count, field.type)
    return (values if isinstance(values, pa.Array) else pa.array(values)).cast(field.type)


def _hex(rng: np.random.Generator, count: int, digits: int) -> _Characters:
    """Characters (count, digits)."""
    return np.frombuffer(rng.bytes(count * digits // 2).hex().encode(), np.uint8).reshape(count, digits)


def _blob_path(sha256: _Characters, suffix: bytes) -> _Characters:
    """blobs/ab/abcd....jpg"""
    return np.hstack([_framed(b"blobs/", sha256[:, :2], b"/"), _framed(b"", sha256, suffix)])


def _framed(before: bytes, characters: _Characters, behind: bytes) -> _Characters:
    ends = (np.tile(np.frombuffer(text, np.uint8), (len(characters), 1)) for text in (before, behind))
    return np.hstack([next(ends), characters, next(ends)])


def _text(characters: _Characters) -> pa.Array:
    """Characters (N, width) -> N strings."""
    count, width = characters.shape
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(width)
    return pa.StringArray.from_buffers(
        count, pa.py_buffer(offsets.tobytes()), pa.py_buffer(np.ascontiguousarray(characters).tobytes())
    )


def _words(
    words: Sequence[str], which: npt.NDArray[np.int64], *, among: npt.NDArray[np.bool_] | None = None
) -> pa.Array:
    """words[which]; null where `among` is false."""
    return pa.array(words).take(pa.array(which, mask=None if among is None else ~among))


def _some(values: npt.NDArray[np.generic], among: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array(values, mask=~among)


def _split(groups: _Characters) -> pa.Array:
    return pa.array([split_of(group) for group in _text(groups).to_pylist()])


def _reviewers(rng: np.random.Generator, judged: npt.NDArray[np.bool_]) -> pa.Array:
    names = _words(("alice", "bob", "carol", "dave"), rng.integers(0, 4, int(judged.sum())))
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(judged)]).astype(np.int32)), names)
