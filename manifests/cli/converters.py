"""Types of command-line arguments: text -> number; for other text argparse prints the expected one."""

import math
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TypeVar

N = TypeVar("N", int, float)


def number(kind: Callable[[str], N], minimum: float, maximum: float, expected: str) -> Callable[[str], N]:
    """Convert to a number from `minimum` to `maximum`, which the message calls `expected`."""

    def convert(text: str) -> N:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not minimum <= value <= maximum:
            raise ArgumentTypeError(f"expected {expected}, found {text!r}")
        return value

    return convert


positive = number(int, 1, math.inf, "a whole number of at least 1")
not_negative = number(int, 0, math.inf, "a whole number of at least 0")
not_negative_float = number(float, 0, math.inf, "a number of at least 0")
share = number(float, 0, 1, "a number from 0 to 1")
