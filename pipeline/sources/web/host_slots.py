"""Limits on concurrent requests: overall, and per host."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class HostSlots:
    """Slots for the threads of a process; a host without requests takes no memory."""

    def __init__(self, *, per_host: int, overall: int) -> None:
        self._per_host = per_host
        self._overall = overall
        self._running: Counter[str] = Counter()
        self._changed = threading.Condition()

    @contextmanager
    def slot(self, host: str) -> Iterator[None]:
        """Wait for a free slot and hold it. Taking a second one inside could deadlock."""
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
