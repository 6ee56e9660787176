"""Medians of calls that take turns, so that other load affects them all alike."""

import statistics
import time
from collections.abc import Callable

Candidate = Callable[[], object]


def interleaved_medians(candidates: dict[str, Candidate], *, seconds: float) -> dict[str, float]:
    """Median seconds of one call to each, over rounds for `seconds`, at least three."""
    for candidate in candidates.values():
        candidate()  # warm-up
    times: dict[str, list[float]] = {name: [] for name in candidates}
    end, rounds = time.perf_counter() + seconds, 0
    while time.perf_counter() < end or rounds < 3:
        rounds += 1
        for name, candidate in candidates.items():
            started = time.perf_counter()
            candidate()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(measured) for name, measured in times.items()}
