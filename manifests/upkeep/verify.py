"""Verify a version: the schema, every blob's digest and size, splits without leaks.

Blobs are checked in threads. A blob with the right digest has the committed bytes, so its size is read from its header,
at the speed of the hash; `decode` decodes its pixels as well.
"""

import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from io import FileIO
from itertools import chain
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.files.blobs import BLOB_SUFFIXES, BlobError, BlobStore, blob_path, is_linked, sha256_hex
from manifests.files.tombstones import Tombstones
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import MAX_MEGAPIXELS, MIN_SIDE_PX, UnusableImage, decode_image
from manifests.pixels.masks import decode_mask
from manifests.progress import progress
from manifests.samples.near_duplicates import across_splits, hash_numbers
from manifests.store.manifest import Manifest
from manifests.store.row_patch import in_parts
from manifests.store.schema import SCHEMA, Split
from manifests.store.validation import ManifestInvalid, Validation

_COLUMNS = ["sample_id", "source_uri", "image", "image_sha256", "mask", "mask_sha256", "width", "height"]
_RIVAL = "rival_mask_sha256"  # null for most rows
_ROWS_A_TASK = 32  # a thread's turn costs as much as a small blob's digest
_ROWS_AHEAD = 4096  # as Python objects at any time

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER = struct.Struct(">8s8xIIBB")  # signature; length and name of the first chunk; width, height, depth, colour
_GREY_8_BIT = (8, 0)  # of a PNG: bit depth and colour type
_JPEG = b"\xff\xd8"
_JPEG_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..SOF15 without DHT, JPG and DAC
_JPEG_EXIF = 0xE1  # such an image may be stored rotated

_Size = tuple[int, int]  # (H, W)


def verify(manifest: Manifest, *, decode: bool = False) -> list[str]:
    """The problems of a version, one line each; [] for a sound one. Reads every blob, in threads.

    A forgotten sample has no pixels; an image of one that is still there is a problem.

    The schema's violations come first, then near-duplicates in two splits, then the problems of blobs in the order of
    the rows.
    """
    validation, violations = Validation(), []
    look_alikes = _LookAlikes()
    columns = SCHEMA.empty_table()
    for part in manifest.parts(checked=False):
        validation.check(part)
        look_alikes.add(part)
        columns = part.slice(0, 0)
    try:
        validation.finish()
    except ManifestInvalid as error:
        violations = error.violations
    if any(columns.schema.field(name).type != SCHEMA.field(name).type for name in [*_COLUMNS, _RIVAL]):
        return violations
    violations += look_alikes.problems(manifest)
    return [*violations, *_blob_problems(manifest, BlobStore(manifest.data_root, cached=False), decode)]


class _LookAlikes:
    """Collects hash and split of every row, 9 bytes each; invalid ones are left to the schema's rules."""

    def __init__(self) -> None:
        self._hashes = [np.empty(0, np.uint64)]
        self._splits = [np.empty(0, np.int8)]
        self._comparable = True

    def add(self, part: pa.Table) -> None:
        """Add the rows of `part`, which may have any columns and values."""
        names = set(part.column_names)
        hashes = hash_numbers(part["phash"]) if {"phash", "split"} <= names else None
        self._comparable = self._comparable and hashes is not None and part["split"].type == pa.string()
        if self._comparable and hashes is not None:
            known = pc.index_in(part["split"], value_set=pa.array(get_args(Split))).fill_null(-1)
            self._hashes.append(hashes)
            self._splits.append(known.to_numpy().astype(np.int8))

    def problems(self, manifest: Manifest) -> Iterator[str]:
        """A line on each pair of near-duplicates in two splits."""
        pairs = across_splits(np.concatenate(self._hashes), np.concatenate(self._splits)) if self._comparable else []
        if not pairs:
            return
        places, names = np.unique(pairs), ["sample_id", "split", "phash"]
        rows = dict(zip(places.tolist(), manifest.read(names).take(pa.array(places)).to_pylist(), strict=True))
        for first, second in ((rows[one], rows[other]) for one, other in pairs):
            bits = (int(first["phash"], 16) ^ int(second["phash"], 16)).bit_count()
            yield (
                f"sample {first['sample_id']} ({first['split']}) and sample {second['sample_id']} ({second['split']}): "
                f"expected near-duplicates in one split, found perceptual hashes that differ in {bits} of 64 bits"
            )


def _blob_problems(manifest: Manifest, blobs: BlobStore, decode: bool) -> Iterator[str]:
    tombstones = Tombstones.read(blobs.root)

    def check(rows: pa.RecordBatch) -> list[list[str]]:
        return [
            list(
                _forgotten_problems(row, blobs, tombstones)
                if row["sample_id"] in tombstones.samples
                else _problems_of(row, blobs, decode)
            )
            for row in rows.to_pylist()
        ]

    def check_all() -> Iterator[list[str]]:
        with ThreadPoolExecutor() as executor:
            parts = manifest.parts([*_COLUMNS, _RIVAL], checked=False)
            for rows in in_parts(map(_complete, parts), _ROWS_AHEAD):
                yield from chain.from_iterable(executor.map(check, rows.to_batches(max_chunksize=_ROWS_A_TASK)))

    yield from chain.from_iterable(progress(check_all(), "verifying", total=manifest.counts["rows"]))


def _complete(part: pa.Table) -> pa.Table:
    """The rows without a null in _COLUMNS; the schema's rules report the others."""
    return part.filter(reduce(pc.and_, (pc.is_valid(part[name]) for name in _COLUMNS)))


def _problems_of(row: dict[str, Any], blobs: BlobStore, decode: bool) -> Iterator[str]:
    size = (row["height"], row["width"])
    for kind, path, sha256 in _files_of(row):
        size_in_header, decoded = _READERS[kind]
        try:
            data = _read(blobs, path, sha256)
            if not decode and size_in_header(data) == size:
                continue
            decoded_size = decoded(data).shape[:2]
        except BlobError as error:
            file = blobs.root / path
            shared = is_linked(file) and not file.is_symlink()  # for a symbolic link the error names the source
            source = f" (imported from {row['source_uri']})" if shared else ""
            yield f"sample {row['sample_id']}: {error}{source}"
        except (UnusableImage, UserError) as error:
            yield f"sample {row['sample_id']}, {kind}: {error} in {path}"
        else:
            if decoded_size != size:
                yield f"sample {row['sample_id']}, {kind}: expected {size} (H, W), found {decoded_size} in {path}"


def _forgotten_problems(row: dict[str, Any], blobs: BlobStore, tombstones: Tombstones) -> Iterator[str]:
    """A line on the image of a forgotten sample that is still there, or there again."""
    path = blobs.path(row["image"])
    if row["image_sha256"] in tombstones.blobs and (is_linked(path) or path.is_file()):
        yield (
            f"sample {row['sample_id']}: expected no image, as it was forgotten, found {row['image']}; run python -m "
            f"manifests forget --sample-id {row['sample_id']} again"
        )


def _files_of(row: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Kind, path and digest of each of the row's blobs."""
    yield "image", row["image"], row["image_sha256"]
    yield "mask", row["mask"], row["mask_sha256"]
    if row[_RIVAL]:
        yield "rival", blob_path(row[_RIVAL], ".png"), row[_RIVAL]


def _read(blobs: BlobStore, relative: str, sha256: str) -> bytes:
    """`BlobStore.read`, in a quarter of its time for a sound blob at the usual path."""
    stem = f"blobs/{sha256[:2]}/{sha256}"
    if sha256.isalnum() and relative in (f"{stem}{suffix}" for suffix in BLOB_SUFFIXES):
        try:
            with FileIO(f"{blobs.root}/{relative}") as file:
                data = file.readall()
        except OSError:
            data = b""
        if sha256_hex(data) == sha256:
            return data
    return blobs.read(relative, sha256)  # raises the error


def _jpeg_size(data: bytes) -> _Size | None:
    """The size in the header; None for other files, and for possibly rotated or out-of-bounds ones, to be decoded."""
    position = 2
    try:
        while data[position] == 0xFF:
            marker, length = struct.unpack_from(">BH", data, position + 1)
            if marker == _JPEG_EXIF:
                return None
            if marker in _JPEG_SIZE_MARKERS:
                height, width = struct.unpack_from(">HH", data, position + 5)
                within = min(height, width) >= MIN_SIDE_PX and height * width <= MAX_MEGAPIXELS * 1_000_000
                return (height, width) if data.startswith(_JPEG) and within else None
            position += 2 + length
    except (struct.error, IndexError):  # cut off
        pass
    return None


def _png_size(data: bytes) -> _Size | None:
    """The size in the header; None unless it is an 8-bit grey PNG."""
    if len(data) < _PNG_HEADER.size:
        return None
    signature, width, height, *kind = _PNG_HEADER.unpack_from(data)
    return (height, width) if signature == _PNG and tuple(kind) == _GREY_8_BIT else None


_READERS: dict[str, tuple[Callable[[bytes], _Size | None], Callable[[bytes], Pixels]]] = {
    "image": (_jpeg_size, decode_image),
    "mask": (_png_size, decode_mask),
    "rival": (_png_size, decode_mask),
}  # by kind of blob: the size in the header, and the pixels
