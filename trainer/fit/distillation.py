"""Distillation (Hinton et al. 2015): the student's targets are the masks mixed with the probabilities of teachers.

Cross-entropy is linear in its target, so a mixed target is the usual sum of two losses, with the mask and with the
teachers, at the cost of one. A teacher's probabilities of an image don't change: they are computed once and cached, as
uint8 at the network's size.
"""

import hashlib
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from manifests.files.atomic import stream_replace, write_replace
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON
from manifests.progress import progress
from manifests.samples.pair import read_image
from manifests.store.training_rows import AcceptedRow
from trainer.data.cache import map_bytes
from trainer.data.preprocessing import Preprocessing
from trainer.data.samples import Samples
from trainer.inference.predictors import Predictor

SUFFIX = ".teachers.u8"
_PART_ROWS = 64  # rows that are lost at most when a run is interrupted


def distilled(
    samples: Samples,
    blobs: BlobStore,
    preprocessing: Preprocessing,
    teachers: Sequence[Predictor],
    directory: Path,
    *,
    share: float,
) -> Samples:
    """`samples` whose targets are, to `share`, the mean probability of the teachers on each image and its mirror.

    The teachers' probabilities are read from `directory`, or written there first.
    """
    side, n = preprocessing.size_px, len(samples)
    path = directory / f"{_key(samples.rows, preprocessing, teachers)}{SUFFIX}"
    if not path.is_file():
        _write(path, samples.rows, blobs, preprocessing, teachers)
    return replace(samples, teacher_labels=map_bytes(path, n * side * side).view(n, side, side), teacher_share=share)


def _write(
    path: Path,
    rows: Sequence[AcceptedRow],
    blobs: BlobStore,
    preprocessing: Preprocessing,
    teachers: Sequence[Predictor],
) -> None:
    """Write every row's mean over the teachers: uint8 (S, S), 255 = person. BlobError names a missing image.

    An interrupted run leaves parts in a directory beside `path`, and the next one goes on from there.
    """
    directory, parts = path.with_suffix(".parts"), list[Path]()

    def label(row: AcceptedRow) -> bytes:
        return preprocessing.resize(mirrored_mean(teachers, read_image(blobs, row))).tobytes()

    with ThreadPoolExecutor() as threads:
        waiting = progress(rows, "asking the teachers", total=len(rows))
        while part := list(islice(waiting, _PART_ROWS)):
            parts.append(directory / f"{len(parts)}.u8")
            if not parts[-1].is_file():
                write_replace(parts[-1], b"".join(threads.map(label, part)))
    try:
        stream_replace(path, (file.read_bytes() for file in parts))
    except FileNotFoundError:
        if not path.is_file():  # else another run, as far, has put them together
            raise
    shutil.rmtree(directory, ignore_errors=True)


def mirrored_mean(teachers: Sequence[Predictor], rgb: Pixels) -> Pixels:
    """RGB uint8 (H, W, 3) -> the mean probability over the teachers, and over image and mirror: uint8 (H, W)."""
    mirror = np.ascontiguousarray(rgb[:, ::-1])
    probs = [(teacher.person_prob(rgb) + teacher.person_prob(mirror)[:, ::-1]) / 2 for teacher in teachers]
    return np.rint(PERSON * np.mean(probs, axis=0)).astype(np.uint8)


def _key(rows: Sequence[AcceptedRow], preprocessing: Preprocessing, teachers: Sequence[Predictor]) -> str:
    digest = hashlib.sha256(f"v1 {preprocessing.size_px}".encode())
    for part in (*(teacher.digest for teacher in teachers), *(row.image_sha256 for row in rows)):
        digest.update(f" {part}".encode())
    return digest.hexdigest()[:32]
