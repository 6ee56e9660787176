"""Rate limit of sign-ins: after some failures, each further try for a name, or from an address, has to wait.

A try counts as failed from its start, so that a thousand at once gain nothing. A name is never locked for good: at
most MAX_DELAY_SECONDS lie between two tries, though an attacker of a name delays its owner too. Each server process
counts by itself. Memory is bounded: the longest quiet keys are forgotten first.
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


class RateLimit:
    """Failed tries by name and by address. Times are seconds on any clock. Safe to use from threads."""

    def __init__(self, *, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._failures: OrderedDict[_Key, _Failures] = OrderedDict()  # the longest quiet first
        self._lock = threading.Lock()

    def begin(self, name: str, address: str, *, now: float) -> float:
        """Count a try as failed for now and return 0; or return the seconds to wait, without counting."""
        keys = _keys(name, address)
        with self._lock:
            wait = max(self._wait(key, now) for key in keys)
            if wait <= 0:
                for key in keys:
                    self._count(key, now)
            return max(0.0, wait)

    def succeed(self, name: str, address: str) -> None:
        """Forget the failures of a name that signed in, and take the try off its address."""
        of_name, of_address = _keys(name, address)
        with self._lock:
            self._failures.pop(of_name, None)
            if failures := self._failures.get(of_address):
                failures.count -= 1  # only one: an attacker with an account of his own must not wipe the slate

    def __len__(self) -> int:
        return len(self._failures)

    def _wait(self, key: _Key, now: float) -> float:
        failures = self._failures.get(key)
        if failures is None or now - failures.last > FORGOTTEN_AFTER_SECONDS:
            self._failures.pop(key, None)
            return 0.0
        beyond = failures.count - (FREE_TRIES_PER_NAME if key[0] == "name" else FREE_TRIES_PER_ADDRESS)
        delay = 0.0 if beyond < 0 else min(MAX_DELAY_SECONDS, 2.0 ** min(beyond, 10))
        return failures.last + delay - now if delay else 0.0

    def _count(self, key: _Key, now: float) -> None:
        failures = self._failures.setdefault(key, _Failures(0, now))
        failures.count, failures.last = failures.count + 1, now
        self._failures.move_to_end(key)
        while len(self._failures) > self._max_keys:
            self._failures.popitem(last=False)


def _keys(name: str, address: str) -> tuple[_Key, _Key]:
    return ("name", name), ("address", _network(address))


def _network(address: str) -> str:
    """The IPv4 address, or the /64 of an IPv6 address: one customer has all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))
