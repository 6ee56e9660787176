"""Candidates in a process of their own, as in use; functions of an importable module, for `spawn`."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from trainer.bench.timing import Candidate

PEAK_BYTES = "peak bytes"


@contextmanager
def in_own_process(
    build: Callable[..., dict[str, Candidate]], *choices: object
) -> Iterator[tuple[dict[str, Candidate], Callable[[], int]]]:
    """Candidates of `build(*choices)` in a new process, and a function that returns its peak memory in bytes."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, build, choices), daemon=True)
    process.start()
    theirs.close()

    def ask(name: str) -> Any:
        ours.send(name)
        return ours.recv()

    try:
        names = ours.recv()
        yield {name: partial(ask, name) for name in names}, partial(ask, PEAK_BYTES)
    finally:
        ours.close()  # ends the process
        process.join()


def _serve(connection: Connection, build: Callable[..., dict[str, Candidate]], choices: tuple[object, ...]) -> None:
    candidates = build(*choices)
    connection.send(list(candidates))
    while True:
        try:
            name = connection.recv()
        except EOFError:  # the other end is closed
            return
        if name == PEAK_BYTES:
            connection.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        else:
            candidates[name]()
            connection.send(None)
