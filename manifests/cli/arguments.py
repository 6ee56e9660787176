"""Shared by every command of this project: how it ends, where warnings go, and options.

Exit status 0 is success, 1 one clear line on standard error, 2 wrong arguments.
"""

import argparse
import errno
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from manifests.errors import UserError

if TYPE_CHECKING:
    from manifests.store.manifest import Manifest

Main = Callable[[Sequence[str]], None]
_REMEDIES = {  # by errno
    errno.ENOSPC: "free some space and run it again",
    errno.EDQUOT: "free some space and run it again",
    errno.EIO: "check the disk, then run it again",
    errno.EROFS: "mount the file system writable, or pass another directory",
}
_CLIENTS = ("aiohttp", "botocore")  # packages whose errors, no OSError, mean that the store of a URL is out of reach
ROOMS = ("manifests", "pipeline", "review_ui", "trainer")  # names of the loggers


class CommandParser(argparse.ArgumentParser):
    """The parser of a command whose help ends with an example.

    `description` may be the module's docstring: the command in its front is left out. `example` is what follows the
    command, and `more` are lines below it; `others` are options of argparse that later Pythons pass on.
    """

    def __init__(self, prog: str, description: str | None, *, example: str, more: str = "", **others: Any) -> None:
        summary = re.sub(r"^`[^`]*`: (.)", lambda match: match[1].upper(), description or "")
        super().__init__(
            prog, description=summary, epilog=f"example: {prog} {example}\n\n{more}".rstrip(), formatter_class=_Help,
            **others,
        )  # fmt: skip


def run_command(main: Main) -> NoReturn:
    """Run `main(arguments)` and exit with one of these statuses.

    `main` parses its arguments with argparse, which exits with 2, and raises `UserError` for a state of the world;
    OSError (disk full, permission) counts as one, and so do the errors of `_CLIENTS`.
    """
    try:
        with _warnings_printed():
            main(sys.argv[1:])
        sys.stdout.flush()
    except UserError as error:
        _fail(str(error))
    except BrokenPipeError:  # the reader, such as `head`, closed the pipe: not an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _fail(_refusal(error))
    except KeyboardInterrupt as interruption:  # its text, if any, is on what is kept
        print(str(interruption) or "interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _CLIENTS:
            raise
        remedy = "check its endpoint, credentials and network, then run it again"
        _fail(f"expected the store of the URL to answer, found: {error}; {remedy}")
    sys.exit(0)


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add the optional argument V; `version_of` opens it."""
    parser.add_argument("version", nargs="?", metavar="V", help="3, v3 or a path (default: the latest)")


def add_database_url(parser: argparse.ArgumentParser) -> None:
    """Add --database-url."""
    parser.add_argument("--database-url", metavar="URL", help="decision log (default: SQLite under the data root)")


def version_of(options: argparse.Namespace) -> "Manifest":
    """Open the version that V, --manifests and --data name."""
    from manifests.store.version_spec import open_version  # here: commands without versions don't load pyarrow

    return open_version(options.version, manifests=options.manifests, data_root=options.data)


class _Help(argparse.HelpFormatter):
    """Help whose examples keep their lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("example: ") else super()._fill_text(text, width, indent)


class _OneLine(logging.Formatter):
    """`warning: message`."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname.lower()}: {record.getMessage()}"


@contextmanager
def _warnings_printed() -> Iterator[None]:
    """Print this project's log records, warnings and above, on standard error.

    They don't reach the root logger, whose handlers (Prefect's, for one) would print them again.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine())
    loggers = [logging.getLogger(room) for room in ROOMS]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.propagate = True


def _refusal(error: OSError) -> str:
    """The operating system's reason, the file, and what to do."""
    where = f": {error.filename}" if error.filename else ""
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{error.strerror or error}{where}{f'; {remedy}' if remedy else ''}"


def _fail(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(1)
