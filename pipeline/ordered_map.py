"""Work in threads, in order, with a bound on how much of it is under way: memory doesn't grow with the work."""

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
    """`function` of every item, in the items' order, `ahead` of them at work or waiting to be taken.

    `items` is read in the thread that takes the results. What has not begun is cancelled when the iterator is closed.
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
    """For this process: items are worked on in parallel, and threads inside one would fight over the cores."""
    import cv2
    import torch  # here: parsing a command's arguments does not wait for it

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """`size` at a time, the last ones fewer."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
