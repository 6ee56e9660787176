"""Parallel map in order with a bounded number of items in flight: memory doesn't grow with the work."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int
) -> Generator[Result]:
    """Yield `function` of every item, in the items' order; up to `ahead` are in flight or wait to be taken.

    `items` is read in the thread that takes the results. Closing the iterator cancels work that has not begun.
    """
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def one_thread_an_item() -> None:
    """Limit this process to one thread per item: items run in parallel and would compete for the cores."""
    import cv2
    import torch  # imported here: parsing arguments doesn't wait for it

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items; the last may be shorter."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
