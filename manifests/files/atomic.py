"""A file is written whole or not at all: unique temporary name, fsync, then link or replace.

Temporary names are `.tmp-`, a random part and the target's suffix, and lie in the target's own directory, so the last
step never crosses a file system. They are short: the target's name may be as long as the file system allows. A reader
never sees half a file; a killed writer leaves at most a `.tmp-` file behind. At a URL there is no such name: one
request makes the whole file, see `storage`.
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
MAX_SUFFIX_CHARACTERS = 16  # longer ones are no file types but names with a full stop in them


def write_exclusive(path: Path, write: Callable[[Path], object]) -> None:
    """Create `path` from what `write(temporary)` wrote; FileExistsError if `path` is already there."""
    if is_remote(path):
        create(path, write)
        return
    with _temporary(path) as temporary:
        write(temporary)
        _fsync(temporary)
        os.link(temporary, path)  # fails when path exists: of two writers exactly one gets through
    _fsync(path.parent)


def write_replace(path: Path, data: bytes) -> None:
    """Make `path` hold `data`, replacing an older file in one step."""
    if is_remote(path):
        replace(path, data)
    else:
        stream_replace(path, [data])


def stream_replace(path: Path, parts: Iterable[bytes]) -> None:
    """As `write_replace`, with the parts one after another; when making one fails, `path` stays as it was."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(parts)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path, for what opens its file itself; `path` holds what is there once the block has ended well."""
    with _temporary(path) as temporary:
        yield temporary
        _fsync(temporary)
        temporary.replace(path)
    _fsync(path.parent)


def link_replace(path: Path, target: Path, *, symbolic: bool) -> None:
    """Make `path` a link to the file `target`, replacing what is there in one step; OSError where links can't be."""
    with _temporary(path) as temporary:
        if symbolic:
            temporary.symlink_to(target.absolute())
        else:
            temporary.hardlink_to(target.resolve())
        temporary.replace(path)  # of two names of one file POSIX keeps both; the temporary one goes below
    _fsync(path.parent)


@contextmanager
def filling(path: Path) -> Iterator[Path]:
    """A temporary directory to fill; it becomes `path`, which is missing or empty, when the block ends well."""
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
    """An unused name in the same directory, of the same suffix: some writers choose their format by it."""
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
    """Make a directory and its parents so that a power cut doesn't take them away again."""
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
