"""The progress bar of long work: on a terminal only, on standard error."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


class Bar(Protocol):
    """A bar that its owner moves: `n` images, or bytes, so far."""

    n: int

    def update(self, n: int) -> object: ...


def progress(items: Iterable[Item], what: str, *, total: int | None = None) -> Iterator[Item]:
    """The same items, with a bar named `what` while they go by; nothing where standard error is no terminal."""
    return iter(tqdm(items, desc=what, total=total, unit="img", disable=None, dynamic_ncols=True))


def progress_bar(what: str, *, total: int, unit: str = "img") -> AbstractContextManager[Bar]:
    """A bar named `what` that moves with `update`, for work that is no loop; nothing where there is no terminal."""
    scale = unit == "B"  # 33.1M and not 33106585
    bar: AbstractContextManager[Bar] = tqdm(
        desc=what, total=total, unit=unit, unit_scale=scale, disable=None, dynamic_ncols=True
    )
    return bar
