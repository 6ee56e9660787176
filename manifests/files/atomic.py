"""Write a file whole or not at all: unique temporary name, fsync, then link or replace.

Temporary files are in the target's directory, so the last step never crosses a file system. Their names, `.tmp-`, a
random part and the target's suffix, are short: the target's name may be as long as the file system allows. A reader
never sees a partial file; a killed writer leaves at most a `.tmp-` file. At a URL one request creates the whole file
(storage.py).

OSError names the target. A target whose directory could not be synced afterwards is there, perhaps not after a power
cut: a rerun that relies on it syncs the directory (`sync`).
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
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
        sync(temporary)
        os.link(temporary, path)  # fails when path exists: exactly one of two writers succeeds
    sync(path.parent)


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
        sync(temporary)
        temporary.replace(path)
    sync(path.parent)


def link_replace(path: Path, target: Path, *, symbolic: bool) -> None:
    """Link `path` to the file `target`, replacing an older file in one step; OSError when links are unsupported."""
    with _temporary(path) as temporary:
        if symbolic:
            temporary.symlink_to(target.absolute())
        else:
            temporary.hardlink_to(target.resolve())
        temporary.replace(path)  # POSIX keeps both names if they are of one file; `_temporary` removes its own
    sync(path.parent)


@contextmanager
def filling(path: Path) -> Iterator[Path]:
    """A temporary directory that becomes `path`, which is missing or empty, when the block succeeds."""
    make_directory(path.parent)
    temporary = temporary_beside(path)
    temporary.mkdir()
    try:
        with _errors_name(path, temporary):
            yield temporary
            sync(temporary)
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync(path.parent)


def make_directory(path: Path) -> None:
    """Create a directory and its parents durably; after an OSError none of them is left, for a rerun to create."""
    missing = [directory for directory in (path, *path.parents) if not directory.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        for directory in missing:
            sync(directory.parent)
    except OSError:
        for directory in missing:
            with suppress(OSError):  # another writer's file is in it
                directory.rmdir()
        raise


def sync(path: Path) -> None:
    """Bring a file, or the names in a directory, to the disk. An OSError is final: a second try proves nothing."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        os.close(descriptor)


def temporary_beside(path: Path) -> Path:
    """An unused name in the same directory, with the same suffix: some writers choose their format by it."""
    suffix = path.suffix if len(path.suffix) <= MAX_SUFFIX_CHARACTERS else ""
    return path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(RANDOM_BYTES)}{suffix}")


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    make_directory(path.parent)
    temporary = temporary_beside(path)
    try:
        with _errors_name(path, temporary):
            yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _errors_name(path: Path, temporary: Path) -> Iterator[None]:
    """Let an OSError about `temporary`, or about no file, name `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename in (None, temporary, str(temporary)):
            with suppress(AttributeError):  # PyAV's errors can't be changed, and name the video themselves
                error.filename = str(path)
        raise
