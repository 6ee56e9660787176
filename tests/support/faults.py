"""A disk on which the n-th write, fsync, link, rename, ... of this process fails.

Python's own calls are replaced, and pyarrow's Parquet writer writes through them, so each call of the project's file
layer is a point where it can fail. SQLite writes in C: there the commit of a transaction is the point.
"""

import errno
import io
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq
import pytest
from sqlalchemy.engine.default import DefaultDialect

Fault = Literal["EIO", "ENOSPC", "short", "kill"]
Inode = tuple[int, int]  # device, number

_NEED_SPACE = ("write", "mkdir", "link", "symlink", "commit")  # a full disk refuses these, and the rest as well once
_PARQUET_BUFFER_BYTES = 1024  # several writes to a file of few rows
_DATABASE_ERRORS = {"EIO": "disk I/O error", "ENOSPC": "database or disk is full"}


@dataclass
class Disk:
    """Calls below `root` in their order; call number `at` (from 1) fails.

    EIO fails once. ENOSPC stores half of what is written, and from then on the disk is full. "short" stores half of a
    write and returns that number, as a system call may: a caller that goes on loses nothing. "kill" ends the process.
    `violations` lists what no fault excuses: an fsync tried again on a descriptor where it failed, a file put in place
    after its fsync failed, and, at the end, names whose directory was not synced.
    """

    root: Path
    at: int = 0
    fault: Fault = "EIO"
    calls: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    unsynced: dict[Inode, str] = field(default_factory=dict)  # directories with new names, and one of these
    _failed_descriptors: set[int] = field(default_factory=set)
    _unsound_files: set[Inode] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fault_of(self, call: str) -> Fault | None:
        """Count a call; the fault that it meets."""
        with self._lock:
            self.calls.append(call)
            is_full = self.fault == "ENOSPC" and call in _NEED_SPACE and 0 < self.at < len(self.calls)
            if len(self.calls) != self.at and not is_full:
                return None
            if self.fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            return self.fault

    def meet(self, call: str) -> None:
        """Count a call that fails whole, or not at all."""
        fault = self.fault_of(call)
        if fault in ("EIO", "ENOSPC"):
            raise _error(fault)

    def fsync(self, descriptor: int, real: Callable[[int], None]) -> None:
        if descriptor in self._failed_descriptors:
            self.violations.append("fsync was tried again on a descriptor where it failed")
        try:
            self.meet("fsync")
        except OSError:
            self._failed_descriptors.add(descriptor)
            self._unsound_files.add(_inode(os.fstat(descriptor)))
            raise
        real(descriptor)
        self.unsynced.pop(_inode(os.fstat(descriptor)), None)

    def closed(self, descriptor: int) -> None:
        self._failed_descriptors.discard(descriptor)

    def named(self, source: Path, target: Path) -> None:
        """Record that `source` gets the name `target`."""
        if _inode(source.lstat()) in self._unsound_files:
            self.violations.append(f"{target.name} is in place after the fsync of its file failed")
        self.unsynced[_inode(target.parent.stat())] = target.name

    def holds(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and Path(os.fspath(path)).is_relative_to(self.root)


@contextmanager
def failing(root: Path, *, at: int = 0, fault: Fault = "EIO") -> Iterator[Disk]:
    """The disk below `root` during the block; with `at` 0 nothing fails."""
    disk = Disk(root, at, fault)
    with pytest.MonkeyPatch.context() as patch:
        _replace_file_calls(patch, disk)
        _replace_writers(patch, disk)
        yield disk


def _replace_file_calls(patch: pytest.MonkeyPatch, disk: Disk) -> None:
    real = {name: getattr(os, name) for name in ("fsync", "close", "link", "symlink", "replace", "rename")}

    def close(descriptor: int) -> None:
        disk.closed(descriptor)
        real["close"](descriptor)

    def naming(name: str) -> Callable[..., None]:
        def call(source: Any, target: Any, **options: Any) -> None:
            if disk.holds(target):
                disk.meet(name)
            real[name](source, target, **options)
            if disk.holds(target):
                disk.named(Path(target), Path(target))

        return call

    def on_one_path(name: str) -> Callable[..., Any]:
        function = getattr(os, name)

        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            if disk.holds(path):
                disk.meet(name)
            return function(path, *arguments, **options)

        return call

    patch.setattr(os, "fsync", lambda descriptor: disk.fsync(descriptor, real["fsync"]))
    patch.setattr(os, "close", close)
    for name in ("link", "symlink", "replace", "rename"):
        patch.setattr(os, name, naming(name))
    for name in ("mkdir", "unlink", "utime"):
        patch.setattr(os, name, on_one_path(name))
    make, remove = os.mkdir, os.rmdir

    def mkdir(path: Any, *arguments: Any, **options: Any) -> None:
        make(path, *arguments, **options)
        if disk.holds(path):
            disk.unsynced[_inode(Path(path).parent.stat())] = Path(path).name

    def rmdir(path: Any, *arguments: Any, **options: Any) -> None:
        if disk.holds(path):
            disk.unsynced.pop(_inode(Path(path).stat()), None)
        remove(path, *arguments, **options)

    patch.setattr(os, "mkdir", mkdir)
    patch.setattr(os, "rmdir", rmdir)


def _replace_writers(patch: pytest.MonkeyPatch, disk: Disk) -> None:
    real_open, real_commit = io.open, DefaultDialect.do_commit
    real_init, real_close = pq.ParquetWriter.__init__, pq.ParquetWriter.close
    files: dict[int, io.BufferedWriter] = {}  # of Parquet writers

    def opened(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if disk.holds(path) and mode in ("wb", "xb"):
            return io.BufferedWriter(_File(path, mode, disk))
        return real_open(path, mode, *arguments, **options)

    def init(writer: pq.ParquetWriter, where: Any, *arguments: Any, **options: Any) -> None:
        if disk.holds(where):
            where = files[id(writer)] = io.BufferedWriter(_File(where, "wb", disk), _PARQUET_BUFFER_BYTES)
        real_init(writer, where, *arguments, **options)

    def close(writer: pq.ParquetWriter) -> None:
        file = files.pop(id(writer), None)
        try:
            real_close(writer)
        finally:
            if file is not None:
                file.close()

    def commit(dialect: DefaultDialect, connection: Any) -> None:
        fault = disk.fault_of("commit")
        if fault in _DATABASE_ERRORS:
            raise sqlite3.OperationalError(_DATABASE_ERRORS[fault])
        real_commit(dialect, connection)

    patch.setattr(io, "open", opened)
    patch.setattr(pq.ParquetWriter, "__init__", init)
    patch.setattr(pq.ParquetWriter, "close", close)
    patch.setattr(DefaultDialect, "do_commit", commit)


class _File(io.FileIO):
    """A file opened for writing, whose writes the disk counts."""

    def __init__(self, path: Any, mode: str, disk: Disk) -> None:
        super().__init__(path, mode)
        self._disk = disk

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        fault = self._disk.fault_of("write")
        if fault == "EIO":
            raise _error(fault)
        if fault is None:
            return super().write(view)
        written = super().write(view[: (len(view) + 1) // 2])
        if fault == "ENOSPC":
            raise _error(fault)
        return written


def _error(fault: Fault) -> OSError:
    number = errno.EIO if fault == "EIO" else errno.ENOSPC
    return OSError(number, os.strerror(number))


def _inode(status: os.stat_result) -> Inode:
    return status.st_dev, status.st_ino
