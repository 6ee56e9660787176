"""Write a file whole or not at all: unique temporary name, fsync, then link or replace.

Temporary files are in the target's directory, so the last step never crosses a file system. Their names, `.tmp-`, a
random part and the target's suffix, are short: the target's name may be as long as the file system allows. A reader
never sees a partial file; a killed writer leaves at most a `.tmp-` file. At a URL one request creates the whole file
(storage.py).
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from manifests.files.storage import create, is_remote, replace

TEMPORARY_PREFIX = ".tmp-"
RANDOM_BYTES = 8
MAX_SUFFIX_CHARACTERS = 16  # longer ones aren't file types but names with a full stop


def write_exclusive(path: Path, write: Callable[[Path], object]) -> None:
    """Create `path` from the file that `write(temporary)` writes; FileExistsError if `path` exists."""
    if is_remote(path):
        create(path, write)
        return
    with _temporary(path) as temporary:
        write(temporary)
        _fsync(temporary)
        os.link(temporary, path)  # fails when path exists: exactly one of two writers succeeds
    _fsync(path.parent)


def write_replace(path: Path, data: bytes) -> None:
    """Write `data` to `path`, replacing an older file in one step."""
    if is_remote(path):
        replace(path, data)
    else:
        stream_replace(path, [data])


def stream_replace(path: Path, parts: Iterable[bytes]) -> None:
    """`write_replace` of parts; `path` stays unchanged when producing one fails."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(parts)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path for a writer that opens its file itself; the file replaces `path` after the block."""
    with _temporary(path) as temporary:
        yield temporary
        _fsync(temporary)
        temporary.replace(path)
    _fsync(path.parent)


def link_replace(path: Path, target: Path, *, symbolic: bool) -> None:
    """Link `path` to the file `target`, replacing an older file in one step; OSError when links are unsupported."""
    with _temporary(path) as temporary:
        if symbolic:
            temporary.symlink_to(target.absolute())
        else:
            temporary.hardlink_to(target.resolve())
        temporary.replace(path)  # POSIX keeps both names if they are of one file; `_temporary` removes its own
    _fsync(path.parent)


@contextmanager
def filling(path: Path) -> Iterator[Path]:
    """A temporary directory that becomes `path`, which is missing or empty, when the block succeeds."""
    _make_directory(path.parent)
    temporary = temporary_beside(path)
    temporary.mkdir()
    try:
        yield temporary
        _fsync(temporary)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _fsync(path.parent)


def temporary_beside(path: Path) -> Path:
    """An unused name in the same directory, with the same suffix: some writers choose their format by it."""
    suffix = path.suffix if len(path.suffix) <= MAX_SUFFIX_CHARACTERS else ""
    return path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(RANDOM_BYTES)}{suffix}")


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    _make_directory(path.parent)
    temporary = temporary_beside(path)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _make_directory(path: Path) -> None:
    """Create a directory and its parents durably."""
    missing = [directory for directory in (path, *path.parents) if not directory.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for directory in missing:
        _fsync(directory.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
