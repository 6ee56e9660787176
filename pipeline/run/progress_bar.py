"""The one bar of a whole run, on a terminal: pictures labelled, over all, whichever runner labels them.

Threads of this process advance it with each picture. A cluster's workers can't reach it, and `advance` does nothing
there: their pictures count once the flow hears that the shard is finished, and calls `reach`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from manifests.progress import Bar, progress_bar

_lock = Lock()
_bar: Bar | None = None


@contextmanager
def shown(pictures: int) -> Iterator[None]:
    """While this lasts there is a bar up to `pictures`; nothing shows where standard error is no terminal."""
    global _bar
    with progress_bar("labelling", total=pictures) as bar:
        _bar = bar
        try:
            yield
        finally:
            _bar = None


def advance() -> None:
    """One more picture is labelled."""
    with _lock:
        if _bar is not None:
            _bar.update(1)


def reach(pictures: int) -> None:
    """Finished shards hold so many pictures: show no fewer."""
    with _lock:
        if _bar is not None and pictures > _bar.n:
            _bar.update(pictures - _bar.n)
