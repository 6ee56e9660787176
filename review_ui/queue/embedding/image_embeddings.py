"""The embeddings of one version's images, computed in a background thread and kept under the data root.

`digests` are the SHA-256 of distinct images, ascending: as good as random, so that what is embedded first is a random
part. Reading is free of locks: a vector is written before its flag.
"""

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.files.storage import StorageAway
from manifests.pixels.images import decode_image
from review_ui.queue.embedding.embedding_files import EmbeddingFiles
from review_ui.queue.embedding.encoder import ImageEncoder, Vector

PART_IMAGES = 2048  # in one file
CLOSE_SECONDS = 5.0
PART_SECONDS = 30.0  # work lost at most when a server stops
TODO, DONE, FAILED = 0, 1, 2
_CHUNK = 65536  # vectors compared at once: float32 copies stay small

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EmbeddingProgress:
    """Images embedded out of all that wait; `failed` ones can't be opened."""

    done: int
    total: int
    failed: int = 0

    @property
    def is_complete(self) -> bool:
        return self.done + self.failed == self.total


class ImageEmbeddings:
    """Starts its thread at once."""

    def __init__(self, digests: pa.Array, data_root: Path) -> None:
        self._encoder = ImageEncoder()
        self._blobs = BlobStore(data_root)
        self._files = EmbeddingFiles(data_root, self._encoder.name, self._encoder.dimensions)
        self._digests = digests
        self._vectors = np.zeros((len(digests), self._encoder.dimensions), np.float16)
        self._state = np.full(len(digests), TODO, np.int8)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="embeddings", daemon=True)
        self._thread.start()

    def progress(self) -> EmbeddingProgress:
        done, failed = (int(np.count_nonzero(self._state == state)) for state in (DONE, FAILED))
        return EmbeddingProgress(done, len(self._state), failed)

    def done(self) -> npt.NDArray[np.int64]:
        """Places of the images embedded so far, ascending."""
        return np.flatnonzero(self._state == DONE)

    def take(self, places: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
        """(N, D) of the images at these places."""
        return self._vectors[places].astype(np.float32)

    def closeness(self, places: npt.NDArray[np.int64], vector: Vector) -> npt.NDArray[np.float32]:
        """(N,) cosine of `vector` to the images at these places."""
        parts = [self.take(places[begin : begin + _CHUNK]) @ vector for begin in range(0, len(places), _CHUNK)]
        return np.concatenate([np.zeros(0, np.float32), *parts])

    def embed(self, sha256: str) -> Vector:
        """The embedding of any image, computed now; UserError when it can't be opened."""
        path = self._blobs.local_file(sha256)
        if path is None:
            raise UserError(f"expected the image {sha256[:12]}, found {self._blobs.absence(sha256)}")
        return self._encoder.embed(decode_image(path.read_bytes()))

    def close(self, *, wait: bool = True) -> None:
        """Let the thread keep what it has, and end; with `wait`, up to CLOSE_SECONDS for that."""
        self._closing.set()
        if wait:
            self._thread.join(CLOSE_SECONDS)

    def _work(self) -> None:
        try:
            self._load()
            self._embed_all()
        except Exception:  # a thread's error is seen nowhere else; the queue goes on with what is embedded
            logger.exception("embedding of images stopped")

    def _load(self) -> None:
        digests, vectors = self._files.load()
        found = pc.index_in(self._digests, value_set=digests)
        places = np.flatnonzero(found.is_valid().to_numpy(zero_copy_only=False))
        self._vectors[places] = vectors[found.drop_null().to_numpy()]
        self._state[places] = DONE

    def _embed_all(self) -> None:
        unsaved: list[int] = []
        saved_at = time.monotonic()
        for place in np.flatnonzero(self._state == TODO).tolist():
            if self._closing.is_set():
                break
            if self._embed_one(place):
                unsaved.append(place)
            if len(unsaved) >= PART_IMAGES or (unsaved and time.monotonic() > saved_at + PART_SECONDS):
                self._save(unsaved)
                unsaved, saved_at = [], time.monotonic()
        self._save(unsaved)

    def _embed_one(self, place: int) -> bool:
        try:
            self._vectors[place] = self.embed(self._digests[place].as_py())
        except StorageAway:  # not the image's fault: `_work` ends here, and the next server goes on
            raise
        except (UserError, OSError):  # missing, damaged; the page shows the reason when its turn comes
            self._state[place] = FAILED
            return False
        self._state[place] = DONE
        return True

    def _save(self, places: list[int]) -> None:
        if not places:
            return
        try:
            self._files.add(self._digests.take(pa.array(places)).to_pylist(), self._vectors[places])
        except OSError as error:  # they hold for this server all the same
            logger.warning("embeddings are not kept: %s", error)
