"""Output and errors of several processes, printed once. Loads no torch."""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from manifests.errors import UserError

_LOST_PEER = re.compile(r"Connection (closed|reset) by peer|Broken pipe")


@contextmanager
def one_voice() -> Iterator[None]:
    """Around all that a process does: what every process says or complains of is heard once.

    The first one of all prints and logs; of an error that all meet the first one on each machine tells.
    """
    first = _number("RANK", "LOCAL_RANK") == 0
    if not first:
        logging.disable(logging.WARNING)
    with Path(os.devnull).open("w") as nowhere:
        try:
            with redirect_stdout(sys.stdout if first else nowhere), _lost_peer_as_error():
                yield
        except (UserError, KeyboardInterrupt):
            if _number("LOCAL_RANK") == 0:
                raise
            leave()


@contextmanager
def _lost_peer_as_error() -> Iterator[None]:
    """gloo has no exception of its own for a process that went away: killed, or out of memory."""
    try:
        yield
    except RuntimeError as error:
        if not _LOST_PEER.search(str(error)):
            raise
        raise UserError(
            "expected all processes to go on, found the connection to one of them closed; was it killed, or out of "
            "memory? the same command resumes the run"
        ) from error


def leave() -> None:
    """With status 0: Fabric and torchrun kill the first process when another one fails before it has spoken."""
    sys.exit(0)


def _number(*names: str) -> int:
    """The first of these environment variables that is set, else 0: they hold a process's number."""
    return int(next((os.environ[name] for name in names if name in os.environ), "0"))
