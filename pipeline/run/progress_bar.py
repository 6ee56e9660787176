"""The progress bar of a whole run, on a terminal: images labelled, under any task runner.

Threads of this process advance it with each image. A cluster's workers can't reach it, and `advance` does nothing
there: their images count when the flow sees the shard finished and calls `reach`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from manifests.progress import Bar, progress_bar
from manifests.store.labelling_runs import Counts

_lock = RLock()  # `reach` advances
_bar: Bar | None = None
_count = 0
_resumed = 0  # of the count: an earlier run's


@contextmanager
def shown(pictures: int) -> Iterator[None]:
    """Show a bar up to `pictures` images in this context, from 0 on; nothing where stderr is no terminal."""
    global _bar, _count, _resumed
    with progress_bar("labelling", total=pictures) as bar:
        _bar, _count, _resumed = bar, 0, 0
        try:
            yield
        finally:
            _bar = None


def advance(images: int) -> None:
    """Count further labelled images."""
    global _count
    with _lock:
        if _bar is not None:
            _count += images
            _bar.update(images)


def resume(images: int) -> None:
    """Note that an earlier run labelled this many of the images counted."""
    global _resumed
    with _lock:
        _resumed += images


def reach(images: int, *, resumed: int = 0) -> None:
    """Show at least as many images as finished shards hold; an earlier run labelled `resumed` of them."""
    global _resumed
    with _lock:
        _resumed = max(_resumed, resumed)
        advance(max(0, images - _count))


def count() -> int:
    """Images labelled so far, by the run that shows or showed the bar last."""
    return _count


def counts() -> Counts:
    """The counts of that run, for its file beside the versions."""
    return Counts(_count, _resumed)
