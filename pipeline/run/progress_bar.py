"""The progress bar of a whole run, on a terminal: images labelled, under any task runner.

Threads of this process advance it with each image. A cluster's workers can't reach it, and `advance` does nothing
there: their images count when the flow sees the shard finished and calls `reach`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from manifests.progress import Bar, progress_bar

_lock = Lock()
_bar: Bar | None = None


@contextmanager
def shown(pictures: int) -> Iterator[None]:
    """Show a bar up to `pictures` images in this context; nothing where stderr is no terminal."""
    global _bar
    with progress_bar("labelling", total=pictures) as bar:
        _bar = bar
        try:
            yield
        finally:
            _bar = None


def advance() -> None:
    """Count one more labelled image."""
    with _lock:
        if _bar is not None:
            _bar.update(1)


def reach(pictures: int) -> None:
    """Show at least as many images as finished shards hold."""
    with _lock:
        if _bar is not None and pictures > _bar.n:
            _bar.update(pictures - _bar.n)
