"""Slows down who guesses passwords: after some failures, each further try for a name, or from an address, waits.

A try counts as failed from its start, so that a thousand at once gain nothing. A name is never locked for good: at
most MAX_DELAY_SECONDS lie between two tries, though who keeps trying a name keeps its owner waiting too. Each server
process counts by itself. Memory is bounded: the longest quiet keys are forgotten first.
"""

import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass

FREE_TRIES_PER_NAME = 5
FREE_TRIES_PER_ADDRESS = 20  # a whole team may sit behind one
MAX_DELAY_SECONDS = 60.0
FORGOTTEN_AFTER_SECONDS = 900.0
MAX_KEYS = 10_000

_Key = tuple[str, str]  # ("name" or "address", which)


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class Throttle:
    """Failed tries by name and by address. Times are seconds on any clock. Safe to use from threads."""

    def __init__(self, *, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._failures: OrderedDict[_Key, _Failures] = OrderedDict()  # the longest quiet first
        self._lock = threading.Lock()

    def begin(self, name: str, address: str, *, now: float) -> float:
        """0 when the try may go ahead, which counts it as failed for now; else the seconds to wait, and no count."""
        keys = _keys(name, address)
        with self._lock:
            wait = max(self._wait(key, now) for key in keys)
            if wait <= 0:
                for key in keys:
                    self._count(key, now)
            return max(0.0, wait)

    def succeed(self, name: str, address: str) -> None:
        """The try that `begin` let go ahead was right: the name starts afresh, the address gets that try back."""
        of_name, of_address = _keys(name, address)
        with self._lock:
            self._failures.pop(of_name, None)
            if found := self._failures.get(of_address):
                found.count -= 1  # only one: an attacker with an account of his own must not wipe the slate

    def __len__(self) -> int:
        return len(self._failures)

    def _wait(self, key: _Key, now: float) -> float:
        found = self._failures.get(key)
        if found is None or now - found.last > FORGOTTEN_AFTER_SECONDS:
            self._failures.pop(key, None)
            return 0.0
        beyond = found.count - (FREE_TRIES_PER_NAME if key[0] == "name" else FREE_TRIES_PER_ADDRESS)
        delay = 0.0 if beyond < 0 else min(MAX_DELAY_SECONDS, 2.0 ** min(beyond, 10))
        return found.last + delay - now if delay else 0.0

    def _count(self, key: _Key, now: float) -> None:
        found = self._failures.setdefault(key, _Failures(0, now))
        found.count, found.last = found.count + 1, now
        self._failures.move_to_end(key)
        while len(self._failures) > self._max_keys:
            self._failures.popitem(last=False)


def _keys(name: str, address: str) -> tuple[_Key, _Key]:
    return ("name", name), ("address", _network(address))


def _network(address: str) -> str:
    """An IPv4 address itself; of an IPv6 address the /64, for one customer has all of it."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))
