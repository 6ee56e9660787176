"""The progress bar of long work: on a terminal only, on standard error."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


class Bar(Protocol):
    """A progress bar: `n` images or bytes so far."""

    n: int

    def update(self, n: int) -> object: ...


def progress(items: Iterable[Item], what: str, *, total: int | None = None) -> Iterator[Item]:
    """Yield the items and show a bar named `what`; no bar when standard error is not a terminal."""
    return iter(tqdm(items, desc=what, total=total, unit="img", disable=None, dynamic_ncols=True))


def progress_bar(what: str, *, total: int, unit: str = "img") -> AbstractContextManager[Bar]:
    """A bar named `what` that `update` moves, for work without a loop; no bar without a terminal."""
    scale = unit == "B"  # 33.1M instead of 33106585
    bar: AbstractContextManager[Bar] = tqdm(
        desc=what, total=total, unit=unit, unit_scale=scale, disable=None, dynamic_ncols=True
    )
    return bar
