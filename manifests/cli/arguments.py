"""What every command of this project has in common: how it ends (0 done, 1 one clear line on standard error, 2 wrong
arguments), and a type of arguments."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from manifests.errors import UserError

Main = Callable[[Sequence[str]], None]


def run_command(main: Main) -> NoReturn:
    """Run `main(arguments)` and leave the process with the exit status DESIGN promises.

    `main` parses its arguments with argparse (which exits with 2 by itself) and raises `UserError` for
    a state of the world. The operating system's own refusals (disk full, permission) count as such.
    """
    try:
        main(sys.argv[1:])
        sys.stdout.flush()
    except UserError as error:
        _fail(str(error))
    except BrokenPipeError:  # the reader, `head` say, has seen enough; nothing is wrong here
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def positive(text: str) -> int:
    """An argument's type: a whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text}")
    return value


def not_negative(text: str) -> int:
    """An argument's type: a whole number from 0 on."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, found {text}")
    return value


def _fail(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(1)
