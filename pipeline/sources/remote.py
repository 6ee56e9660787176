"""Files in a file system that fsspec knows: s3://, gs://, memory://, ...

Credentials come from the file system's own configuration (environment variables, files, fsspec's); a URL with a
password in it is refused first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fsspec.core import url_to_fs

from manifests.errors import UserError
from manifests.pixels.image_files import PICTURE_SUFFIXES
from pipeline.quarantine import TOO_LARGE, UNREADABLE, Unusable
from pipeline.sources.limits import MAX_PICTURE_BYTES
from pipeline.sources.urls import redacted

# The package to install for a protocol that isn't named like it.
PACKAGES = {
    "abfs": "adlfs",
    "az": "adlfs",
    "gcs": "gcsfs",
    "gs": "gcsfs",
    "hf": "huggingface_hub",
    "s3": "s3fs",
    "s3a": "s3fs",
    "sftp": "paramiko",
    "smb": "smbprotocol",
    "ssh": "paramiko",
    "webdav": "webdav4",
}

# Fields of a file system's `info` that tell a file's state, best first. A listing and a look-up of the file agree on
# these; fsspec's own `ukey` hashes all fields, on which they don't agree (s3fs).
STATE_FIELDS = (
    "ETag",
    "etag",
    "md5Hash",
    "crc32c",
    "mtime",
    "modified",
    "modify",
    "LastModified",
    "last_modified",
    "created",
)

GLOB_CHARACTERS = "*?["


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file, identified by its file system's metadata (ETag, size, time) without being read."""

    url: str

    @property
    def uri(self) -> str:
        """The URL."""
        return self.url

    def read(self) -> bytes:
        """Read the file's bytes; Unusable, with the reason, when it can't."""
        try:
            fs, path = open_file_system(self.url)
            size_bytes = fs.info(path).get("size") or 0
            if size_bytes <= MAX_PICTURE_BYTES:
                return bytes(fs.cat_file(path))
        except Exception as error:  # file systems raise what their libraries do: OSError, ClientError, HTTPError, ...
            raise Unusable(UNREADABLE, describe_error(error)) from error
        raise Unusable(TOO_LARGE, f"expected at most {MAX_PICTURE_BYTES} bytes, found {size_bytes}")

    def fingerprint(self) -> str | None:
        """The file system's own key for this state of the file; None while there is none."""
        return remote_key(self.url)


def list_remote_pictures(url: str) -> list[RemoteFile]:
    """List the images below a directory (without hidden ones), those a glob matches, or the one file; in order of name.

    UserError when the file system can't be reached, there is nothing, or no file has an image's suffix.
    """
    urls = list_remote(url)
    if urls == [url]:  # one file, whatever its suffix
        return [RemoteFile(url)]
    pictures = [RemoteFile(file) for file in urls if PurePosixPath(file).suffix.lower() in PICTURE_SUFFIXES]
    if not pictures:
        raise UserError(
            f"expected images ({', '.join(sorted(PICTURE_SUFFIXES))}) in {url}, found none; "
            "give the directory that holds them"
        )
    return pictures


def list_remote(url: str) -> list[str]:
    """List the URLs of the file at `url`, of those below it, or of those it matches as a glob; without hidden ones."""
    fs, path = open_file_system(url)
    try:
        fs.invalidate_cache()
        if fs.isfile(path):
            return [url]
        if fs.isdir(path):
            return _urls(fs.find(path), fs, url, path)
        if any(character in path for character in GLOB_CHARACTERS):
            files = [name for name, info in fs.glob(path, detail=True).items() if info["type"] == "file"]
            return _urls(files, fs, url, _fixed_part(path))
    except Exception as error:  # see above
        raise UserError(
            f"expected to list {url}, {describe_error(error)}; check the URL and your credentials"
        ) from error
    raise UserError(f"expected files at {url}, found nothing there; check the URL")


def open_file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system and the path in it; UserError names the package that is missing."""
    protocol = url.partition("://")[0]
    if "::" in url:  # in a file's name, too, where fsspec would see another file system
        raise UserError(f"expected a plain URL, found the chained {url}; give the directory or file itself")
    try:
        return url_to_fs(url)
    except ImportError as error:
        package = PACKAGES.get(protocol, protocol)
        raise UserError(f"expected the package for {protocol}:// URLs, found none; pip install {package}") from error
    except Exception as error:
        raise UserError(f"expected a file system for {url}, {describe_error(error)}; check the URL") from error


def read_bytes(images: str) -> bytes:
    """Read a local file or one of another file system; UserError when it can't be read."""
    try:
        if "://" not in images:
            return Path(images).expanduser().read_bytes()
        fs, path = open_file_system(images)
        return bytes(fs.cat_file(path))
    except UserError:
        raise
    except Exception as error:  # see above
        raise UserError(f"expected a file at {images}, {describe_error(error)}; check the path") from error


def remote_key(url: str) -> str | None:
    """A key that changes with the file, from the file system's metadata; None while there is none."""
    try:
        fs, path = open_file_system(url)
        info = fs.info(path)
        field = next((field for field in STATE_FIELDS if info.get(field) is not None), None)
        return f"{info.get('size')}:{info[field]}" if field else str(fs.ukey(path))
    except Exception:  # see above
        return None


def describe_error(error: Exception) -> str:
    """Describe a third-party library's error in one line, without credentials."""
    text = redacted(" ".join(str(error).split()))
    return f"found {type(error).__name__}: {text}" if text else f"found {type(error).__name__}"


def _urls(paths: Iterable[str], fs: Any, url: str, root: str) -> list[str]:
    """The files' URLs, in order, without those that are hidden below `root`."""
    visible = [path for path in paths if not any(part.startswith(".") for part in path[len(root) :].split("/"))]
    return [_with_protocol(path, fs, url) for path in sorted(visible)]


def _with_protocol(path: str, fs: Any, url: str) -> str:
    """`path` as a URL like `url`, which also names the host where paths don't (sftp://host/path)."""
    _, root = url_to_fs(url)
    if not root.strip("/"):
        return (url if url.endswith("/") else f"{url}/") + path.lstrip("/")
    if url.rstrip("/").endswith(root):
        return url.rstrip("/")[: -len(root)] + path
    return str(fs.unstrip_protocol(path))


def _fixed_part(path: str) -> str:
    """The directory in which a glob starts."""
    first = min(path.find(character) for character in GLOB_CHARACTERS if character in path)
    return path[:first].rpartition("/")[0]
