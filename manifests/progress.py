"""The progress bar of long work: on a terminal only, on standard error."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], what: str, *, total: int | None = None) -> Iterator[Item]:
    """The same items, with a bar named `what` while they go by; nothing where standard error is no terminal."""
    return iter(tqdm(items, desc=what, total=total, unit="img", disable=None, dynamic_ncols=True))
