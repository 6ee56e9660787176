"""Datasets for the bench: any number of samples that wait for review, over a few real photographs."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
from skimage import data

from manifests.files.blobs import Blob, BlobStore, sha256_hex
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import decode_image, encode_jpeg
from manifests.pixels.masks import PERSON, encode_mask
from manifests.store.manifest import ManifestStore
from manifests.store.schema import SCHEMA

VARIANTS = 24  # photographs when none are given
_SIZE = (600, 800)  # of one, width and height


def waiting_samples(root: Path, count: int, images: Sequence[Path] = ()) -> ManifestStore:
    """`count` pending samples in root/manifests, blobs in root/data; the photographs take turns."""
    blobs = BlobStore(root / "data")
    kept = [_keep(blobs, rgb) for rgb in _photographs(images)]
    store = ManifestStore(root / "manifests")
    store.commit(
        _rows(kept, count), parent=None, operation="generate", parameters={"bench": count}, data_root=blobs.root
    )
    return store


def _photographs(images: Sequence[Path]) -> list[Pixels]:
    if images:
        return [decode_image(path.read_bytes()) for path in images]
    rng = np.random.default_rng(0)
    portrait = cv2.resize(data.astronaut(), _SIZE, interpolation=cv2.INTER_AREA)
    return [np.clip(portrait * rng.uniform(0.7, 1.3, 3), 0, 255).astype(np.uint8) for _ in range(VARIANTS)]


def _keep(blobs: BlobStore, rgb: Pixels) -> tuple[Blob, Blob, int, int]:
    """The photograph and a soft oval where its head and shoulders may be."""
    height, width = rgb.shape[:2]
    y, x = np.mgrid[:height, :width]
    distance = np.hypot((x - width / 2) / (0.3 * width), (y - 0.6 * height) / (0.5 * height))
    prob = 1 / (1 + np.exp(40 * (distance - 1)))
    return (
        blobs.put(encode_jpeg(rgb), ".jpg"),
        blobs.put(encode_mask(np.rint(PERSON * prob).astype(np.uint8)), ".png"),
        width,
        height,
    )


def _rows(kept: list[tuple[Blob, Blob, int, int]], count: int) -> pa.Table:
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]
    turn = [kept[number % len(kept)] for number in range(count)]
    names = pa.array([digest[:32] for digest in digests])
    columns: dict[str, pa.Array] = {
        "sample_id": names,
        "group_id": names,
        "phash": pa.array([digest[:16] for digest in digests]),
        "source_sha256": pa.array(digests),
        "source_uri": pa.array([f"bench/{number}.jpg" for number in range(count)]),
        "image": pa.array([image.path for image, *_ in turn]),
        "image_sha256": pa.array([image.sha256 for image, *_ in turn]),
        "mask": pa.array([mask.path for _, mask, *_ in turn]),
        "mask_sha256": pa.array([mask.sha256 for _, mask, *_ in turn]),
        "width": pa.array([width for *_, width, _ in turn], pa.int32()),
        "height": pa.array([height for *_, height in turn], pa.int32()),
        "doubt": pa.array(np.random.default_rng(0).random(count), pa.float32()),
        "reviewers": pa.array([[]] * count, pa.list_(pa.string())),
    }
    columns |= {"roi_w": columns["width"], "roi_h": columns["height"]}
    same = {
        "source": "bench", "origin": "teacher", "teacher": f"oval@{sha256_hex(b'oval')[:12]}", "split": "train",
        "status": "pending", "roi_x": 0, "roi_y": 0, "votes_accept": 0, "votes_reject": 0, "added_in": 1,
    }  # fmt: skip
    for field in SCHEMA:
        if field.name not in columns:
            columns[field.name] = pa.array([same.get(field.name)] * count, field.type)
    return pa.table([columns[name].cast(SCHEMA.field(name).type) for name in SCHEMA.names], schema=SCHEMA)
