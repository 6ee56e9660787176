"""Where versions and blobs lie: a directory, or a URL of a file system that fsspec knows (s3://, memory://, ...).

`place` turns what a user typed into a pathlib.Path or, of a URL, into a UPath, which answers to the same methods. What
the two don't share is here and in `atomic`; local paths take none of the detours.

A version is created exclusively. A directory promises that by hard links, S3 by conditional requests (`If-None-Match`),
fsspec's memory file system within its process. Others promise nothing, so no version is written there.
"""

import os
import posixpath
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pyarrow.parquet as pq

from manifests.errors import UserError

if TYPE_CHECKING:  # loaded when there is a URL: directories do without it, and without its time
    from upath import UPath

EXCLUSIVE = ("memory", "s3", "s3a")  # protocols whose file system refuses to create what is there already

_LOCAL = ("file", "local")
_BUCKETS = ("s3", "s3a", "gs", "gcs")  # protocols whose first name is a bucket
_EXTRAS = {"s3": "maskfoundry[s3]", "s3a": "maskfoundry[s3]"}


def place(text: str | Path) -> Path:
    """A directory or file as a user names it; UserError of a URL whose file system is unknown or can't be reached."""
    if not isinstance(text, str):
        return text
    protocol, separator, rest = text.partition("://")
    if not separator:
        return Path(text)
    if protocol in _LOCAL:
        return Path(rest)
    if "@" in rest.split("/")[0]:
        raise UserError(
            f"expected a {protocol} URL without a password, found one; give it to the file system's settings"
        )
    from upath import UPath

    try:
        found = UPath(text, use_listings_cache=False)  # others write there, too
        if protocol in _BUCKETS:
            found.fs.info(rest.split("/")[0])
    except ImportError as error:
        wanted = _EXTRAS.get(protocol)
        remedy = f"pip install '{wanted}'" if wanted else str(error)
        raise UserError(f"expected the package that reads {protocol}:// URLs, found none; {remedy}") from error
    except FileNotFoundError as error:
        raise UserError(f"expected the bucket of {text}, found none; make it or check the URL") from error
    except Exception as error:  # file systems raise what their libraries do: OSError, ClientError, ValueError, ...
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"expected to reach {text}, found: {told}; check the URL, endpoint and credentials") from error
    return cast(Path, found)  # in all that this project asks of one


def is_remote(path: Path) -> bool:
    return not isinstance(path, Path)


def require_local(path: Path | str, what: str) -> None:
    """UserError when `path` is a URL, also one that went through pathlib; `what` is what can't use it."""
    protocol, separator, _rest = str(path).partition(":/")
    if separator and len(protocol) > 1 and protocol.isalnum() and protocol not in _LOCAL:  # one letter is a drive
        raise UserError(
            f"expected a directory, for {what} works on local files, found {path}; "
            "python -m manifests, trainer.fit and trainer.evaluate take URLs"
        )


def beside(directory: Path, recorded: str) -> Path:
    """The place that `directory` calls `recorded`: relative to it, or a URL."""
    if "://" in recorded:
        return place(recorded)
    if isinstance(directory, Path):
        return Path(os.path.normpath(directory / recorded))
    remote = cast("UPath", directory)
    moved = posixpath.normpath(posixpath.join(remote.path, recorded))
    return cast(Path, type(remote)(remote.fs.unstrip_protocol(moved), **remote.storage_options))


def relative(target: Path, directory: Path) -> str:
    """What `beside(directory, ...)` needs to find `target`; UserError when a URL would have to name a local path."""
    if isinstance(directory, Path):
        return os.path.relpath(target, directory) if isinstance(target, Path) else str(target)
    if isinstance(target, Path):
        raise UserError(f"expected blobs where others find them too, as {directory}, found {target}; give --data a URL")
    there, here = cast("UPath", target), cast("UPath", directory)
    if there.protocol != here.protocol:
        return str(target)
    return posixpath.relpath(there.path, here.path)


@contextmanager
def open_parquet(path: Path, *, encoded: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """A Parquet file whose pages are checked as they are read; the columns `encoded` come as dictionaries."""
    as_told = {"page_checksum_verification": True, "read_dictionary": list(encoded)}
    if isinstance(path, Path):
        with pq.ParquetFile(path, **as_told) as file:  # pq.read_table imports pandas
            yield file
    else:
        remote = cast("UPath", path)
        with (
            remote.fs.open(remote.path, "rb", cache_type="none") as source,
            pq.ParquetFile(source, pre_buffer=True, **as_told) as file,
        ):
            yield file


def create(path: Path, write: Callable[[Path], object]) -> None:
    """At a URL, create the file that `write(temporary)` wrote; FileExistsError if `path` is already there.

    UserError when its file system doesn't promise that. The file is written here first, and appears there whole.
    """
    remote = cast("UPath", path)
    if remote.protocol not in EXCLUSIVE:
        raise UserError(
            f"expected a file system that creates a file only once, as {', '.join(EXCLUSIVE)} or a directory do, "
            f"found {remote.protocol}://, which can be read, not written"
        )
    _require_exclusive(remote)
    with tempfile.TemporaryDirectory() as directory:
        temporary = Path(directory) / remote.name
        write(temporary)
        _create(remote, temporary)


def replace(path: Path, data: bytes) -> None:
    """At a URL, make the file hold `data`, in one step."""
    remote = cast("UPath", path)
    remote.fs.pipe_file(remote.path, data)


def _create(remote: "UPath", file: Path) -> None:
    if remote.protocol == "memory":
        remote.fs.pipe_file(remote.path, file.read_bytes(), mode="create")
        return
    try:
        remote.fs.put_file(str(file), remote.path, mode="create")
    except OSError as error:
        if remote.fs.exists(remote.path):  # not every server says why it refused
            raise FileExistsError(str(remote)) from error
        raise


def _require_exclusive(remote: "UPath") -> None:
    """UserError when a file can be created twice: some servers that speak S3's language don't know the header."""
    with tempfile.TemporaryDirectory() as directory:
        file, probe = Path(directory) / "probe", remote.with_name(f".tmp-{uuid.uuid4().hex}-probe")
        file.write_bytes(b"twice?")
        _create(probe, file)
        try:
            _create(probe, file)
        except FileExistsError:
            return
        finally:
            probe.unlink()
    raise UserError(
        f"expected {remote.parent} to create a file only once, found that it replaces it (no If-None-Match), so that "
        "a version could be lost; write to a directory or to another store"
    )
