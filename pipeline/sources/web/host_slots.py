"""How many requests run at a time: in all, and to one host. One of these per process."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class HostSlots:
    """Hands out slots to threads; a host without requests leaves nothing behind."""

    def __init__(self, *, per_host: int, overall: int) -> None:
        self._per_host = per_host
        self._overall = overall
        self._running: Counter[str] = Counter()
        self._changed = threading.Condition()

    @contextmanager
    def slot(self, host: str) -> Iterator[None]:
        """Wait for a free slot and hold it. Never wait for a second one inside: threads would wait for each other."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_free(host))
            self._running[host] += 1
        try:
            yield
        finally:
            with self._changed:
                self._running[host] -= 1
                if not self._running[host]:
                    del self._running[host]
                self._changed.notify_all()

    def _is_free(self, host: str) -> bool:
        return self._running[host] < self._per_host and self._running.total() < self._overall
