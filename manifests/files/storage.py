"""Storage of versions and blobs: a directory, or a URL of a file system that fsspec knows (s3://, memory://, ...).

`place` turns a user's text into a pathlib.Path or, for a URL, into a UPath with the same methods. Their differences are
handled here and in atomic.py.

A version is created exclusively: directories guarantee that by hard links, S3 by conditional requests
(`If-None-Match`), fsspec's memory file system within its process. Other file systems don't, so they are read-only.
"""

import os
import posixpath
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import UserError, install_extra

if TYPE_CHECKING:  # loaded for a URL only: it takes time
    from upath import UPath

PARQUET_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)  # raised by readers; the last for a column's name
EXCLUSIVE = ("memory", "s3", "s3a")  # protocols whose file system refuses to create an existing file

_LOCAL = ("file", "local")
_BUCKETS = ("s3", "s3a", "gs", "gcs")  # protocols whose first path part is a bucket
_EXTRAS = {"s3": "s3", "s3a": "s3"}


class StorageAway(UserError):
    """The file system of a URL refuses or can't be reached now; the same call may work later."""


def place(text: str | Path) -> Path:
    """A path or URL, as a user types it; UserError for a URL whose file system is unknown or can't be reached."""
    if not isinstance(text, str):
        return text
    protocol, separator, rest = text.partition("://")
    if not separator:
        return Path(text)
    if protocol in _LOCAL:
        return Path(rest)
    if "@" in rest.split("/")[0]:
        raise UserError(
            f"expected a {protocol} URL without a password, found one; put it into the file system's settings"
        )
    if protocol in _BUCKETS and {"", ".", ".."}.intersection(rest.rstrip("/").split("/")):
        raise UserError(f"expected a URL whose parts are all names, found {text}; write it without //, . and ..")
    from upath import UPath

    try:
        with reaching(text):
            remote = UPath(text, use_listings_cache=False)  # others may write there
            if protocol in _BUCKETS:
                remote.fs.info(rest.split("/")[0])
    except ImportError as error:
        extra = _EXTRAS.get(protocol)
        remedy = install_extra(extra) if extra else str(error)
        raise UserError(f"expected the package that reads {protocol}:// URLs, found none; {remedy}") from error
    except FileNotFoundError as error:
        raise UserError(f"expected the bucket of {text}, found none; make it or check the URL") from error
    return cast(Path, remote)  # it has all methods that this project uses


@contextmanager
def reaching(url: object) -> Iterator[None]:
    """Raise StorageAway for a URL's errors other than FileNotFoundError; a directory's errors stay as they are."""
    try:
        yield
    except (FileNotFoundError, ImportError, UserError):
        raise
    except Exception as error:  # file systems raise their libraries' errors: OSError, ClientError, ValueError, ...
        if isinstance(url, Path):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StorageAway(
            f"expected to reach {url}, found: {reason}; check the URL, endpoint and credentials"
        ) from error


def is_remote(path: Path) -> bool:
    return not isinstance(path, Path)


def require_local(path: Path, what: str) -> None:
    """UserError when `path` is a URL, which `what` can't use."""
    if is_remote(path):
        raise UserError(f"expected a directory, as {what} works on local files, found {path}; give a directory")


def on_this_machine(path: Path) -> Path:
    """Where this machine keeps its own files about `path`: there, and for a URL below the user's cache directory.

    `s3://bucket/set/data` -> `~/.cache/maskfoundry/s3/bucket/set/data`.
    """
    if isinstance(path, Path):
        return path
    remote = cast("UPath", path)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parts = [part for part in remote.path.split("/") if part not in ("", ".", "..")]
    return home.joinpath("maskfoundry", remote.protocol, *parts)


def beside(directory: Path, recorded: str) -> Path:
    """Resolve `recorded`, a URL or a path relative to `directory`."""
    if "://" in recorded:
        return place(recorded)
    if isinstance(directory, Path):
        return Path(os.path.normpath(directory / recorded))
    remote = cast("UPath", directory)
    moved = posixpath.normpath(posixpath.join(remote.path, recorded))
    return cast(Path, type(remote)(remote.fs.unstrip_protocol(moved), **remote.storage_options))


def relative(target: Path, directory: Path) -> str:
    """The inverse of `beside`; UserError for a local `target` and a remote `directory`."""
    if isinstance(directory, Path):
        return os.path.relpath(target, directory) if isinstance(target, Path) else str(target)
    if isinstance(target, Path):
        raise UserError(f"expected a URL for blobs, like {directory}, found the local {target}; pass --data a URL")
    remote_target, remote_directory = cast("UPath", target), cast("UPath", directory)
    if remote_target.protocol != remote_directory.protocol:
        return str(target)
    return posixpath.relpath(remote_target.path, remote_directory.path)


@contextmanager
def open_parquet(path: Path, *, encoded: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file with page checksums verified; the columns `encoded` are read as dictionaries."""
    options = {"page_checksum_verification": True, "read_dictionary": list(encoded)}
    if isinstance(path, Path):
        with pq.ParquetFile(path, **options) as file:  # pq.read_table imports pandas
            yield file
    else:
        remote = cast("UPath", path)
        with (
            remote.fs.open(remote.path, "rb", cache_type="none") as source,
            pq.ParquetFile(source, pre_buffer=True, **options) as file,
        ):
            yield file


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a Parquet file, of all columns or those named."""
    with open_parquet(path) as file:
        return file.read(columns)


def create(path: Path, write: Callable[[Path], object]) -> None:
    """Create the file that `write(temporary)` writes at a URL, whole; FileExistsError if `path` exists.

    UserError when its file system doesn't guarantee exclusive creation.
    """
    remote = cast("UPath", path)
    require_exclusive(path.parent)
    with tempfile.TemporaryDirectory() as directory:
        temporary = Path(directory) / remote.name
        write(temporary)
        _create(remote, temporary)


def read(path: Path) -> bytes:
    """The bytes of the file at a URL, in one request; FileNotFoundError without it."""
    remote = cast("UPath", path)
    return bytes(remote.fs.cat_file(remote.path))


def replace(path: Path, data: bytes) -> None:
    """Write `data` to the file at a URL, in one step."""
    remote = cast("UPath", path)
    remote.fs.pipe_file(remote.path, data)


def _create(remote: "UPath", file: Path) -> None:
    if remote.protocol == "memory":
        remote.fs.pipe_file(remote.path, file.read_bytes(), mode="create")
        return
    try:
        remote.fs.put_file(str(file), remote.path, mode="create")
    except OSError as error:
        if remote.fs.exists(remote.path):  # not every server states the reason
            raise FileExistsError(str(remote)) from error
        raise


def require_exclusive(directory: Path) -> None:
    """UserError when a file in `directory`, a URL, can be created twice: some S3-compatible servers ignore the header.

    The answer takes two requests that write, and leaves no file.
    """
    remote = cast("UPath", directory)
    if remote.protocol not in EXCLUSIVE:
        raise UserError(
            f"expected a file system that creates a file only once ({', '.join(EXCLUSIVE)}, a directory), "
            f"found {remote.protocol}://, which is read-only here"
        )
    with tempfile.TemporaryDirectory() as local:
        file, probe = Path(local) / "probe", remote / f".tmp-{uuid.uuid4().hex}-probe"
        file.write_bytes(b"twice?")
        _create(probe, file)
        try:
            _create(probe, file)
        except FileExistsError:
            return
        finally:
            probe.unlink()
    raise UserError(
        f"expected {remote} to create a file only once, found that it replaces it (no If-None-Match), so that "
        "a version could be lost; write to a directory or to another store"
    )
