"""Timing of a call, and a line of the report."""

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")


def timed(work: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> tuple[float, Result]:
    """Call `work`; return the seconds and its result."""
    started = time.perf_counter()
    result = work(*arguments, **options)
    return time.perf_counter() - started, result


def print_line(what: str, value: float, unit: str, ratio: float, more: str = "") -> None:
    print(f"  {what:<42}{value:>9.1f} {unit:<10}{ratio:>5.2f}x  {more}".rstrip(), flush=True)
