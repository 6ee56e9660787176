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
    """Wrap all of a process's work, so that output and errors of several processes appear once.

    Only the first process prints and logs; the first one on each machine reports an error common to all.
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
    """Raise UserError for a lost process (killed, out of memory), for which gloo has no exception of its own."""
    try:
        yield
    except RuntimeError as error:
        if not _LOST_PEER.search(str(error)):
            raise
        raise UserError(
            "expected all processes to continue, found the connection to one of them closed; was it killed, or out of "
            "memory? the same command resumes the run"
        ) from error


def leave() -> None:
    """Exit with status 0: Fabric and torchrun kill the first process when another fails before it reports."""
    sys.exit(0)


def _number(*names: str) -> int:
    """A process's number, of the first of these environment variables that is set, else 0."""
    return int(next((os.environ[name] for name in names if name in os.environ), "0"))
