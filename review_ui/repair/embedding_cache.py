"""The embeddings of the images on stage, by the images' SHA-256; each is computed once, the least recently used go."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy.typing as npt

KEPT_IMAGES = 16  # of 4 MiB each (256x64x64 float32): 64 MiB

Embedding = npt.NDArray[Any]


class EmbeddingCache:
    """At most `kept` embeddings. Safe to use from threads: of two requests for one image, the second waits."""

    def __init__(self, kept: int = KEPT_IMAGES) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._slots: OrderedDict[str, _Slot] = OrderedDict()

    def get(self, image_sha256: str, compute: Callable[[], Embedding]) -> Embedding:
        """Return the image's embedding; `compute` it when it isn't kept. After an error the next call tries again."""
        with self._lock:
            slot = self._slots.setdefault(image_sha256, _Slot())
            self._slots.move_to_end(image_sha256)
            while len(self._slots) > self._kept:
                self._slots.popitem(last=False)
        with slot.lock:
            if slot.embedding is None:
                slot.embedding = compute()
            return slot.embedding


class _Slot:
    """One image's embedding, None until it is computed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.embedding: Embedding | None = None
