"""Images in tar shards of webdataset's layout, read in place: nothing is unpacked, nothing is scanned twice.

A shard is listed once, header by header; a member is then read by its offset. `000001.json` beside
`000001.jpg` may state `license`, `attribution` and `url`.
"""

import json
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from manifests.errors import UserError
from manifests.files.blobs import sha256_hex
from manifests.files.json_text import parse_json
from manifests.pixels.image_files import PICTURE_SUFFIXES, source_uri
from manifests.progress import progress
from pipeline.quarantine import TOO_LARGE, UNREADABLE, Unusable
from pipeline.sources.limits import MAX_PICTURE_BYTES, MAX_STATEMENT_BYTES, MAX_TAR_HEADER_BYTES, MAX_TARS
from pipeline.sources.remote import describe_error, list_remote, open_file_system, remote_key
from pipeline.sources.source_image import Picture
from pipeline.sources.urls import without_credentials

COMPRESSED_SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")

_RANGE = re.compile(r"\{([0-9]{1,9})\.\.([0-9]{1,9})\}")
_INDEXES_KEPT = 4096  # one run lists its images twice: before Prefect starts, and in the flow

TarPath = Path | str  # a local file, or a URL


@dataclass(frozen=True, slots=True)
class TarMember:
    """A file inside a tar, by the position of its bytes."""

    tar: TarPath
    name: str
    offset: int
    size_bytes: int

    @property
    def uri(self) -> str:
        """The tar's path or URL, `!/`, the member's name."""
        return f"{_shown(self.tar)}!/{self.name}"

    def read(self) -> bytes:
        """Read the member's bytes; Unusable, with the reason, when it can't."""
        if self.size_bytes > MAX_PICTURE_BYTES:
            raise Unusable(TOO_LARGE, f"expected at most {MAX_PICTURE_BYTES} bytes, found {self.size_bytes}")
        try:
            data = _read_range(self.tar, self.offset, self.size_bytes)
        except OSError as error:
            raise Unusable(UNREADABLE, error.strerror or str(error)) from error
        except Exception as error:  # file systems raise what their libraries do
            raise Unusable(UNREADABLE, describe_error(error)) from error
        if len(data) != self.size_bytes:
            raise Unusable(UNREADABLE, f"expected {self.size_bytes} bytes, found {len(data)}: the tar has changed")
        return data

    def fingerprint(self) -> str | None:
        """The bytes' digest in a local tar, else the remote tar's state and the position in it."""
        if isinstance(self.tar, str):
            key = remote_key(self.tar)
            return key and f"{key}:{self.offset}:{self.size_bytes}"
        try:
            return sha256_hex(_read_range(self.tar, self.offset, min(self.size_bytes, MAX_PICTURE_BYTES)))
        except OSError:
            return None


def is_tar(images: str) -> bool:
    """Whether `--images` names tar shards, by their suffix."""
    return images.lower().endswith((".tar", *COMPRESSED_SUFFIXES))


def list_tar_pictures(images: str) -> list[Picture]:
    """List the images in a tar, a range `{000..009}` or a glob of them, in order; UserError names a bad tar."""
    if images.lower().endswith(COMPRESSED_SUFFIXES):
        raise UserError(f"expected a tar without compression, found {images}; unpack it to .tar")
    pictures: list[Picture] = []
    for tar in progress(_find_tars(images), "reading tars"):
        pictures.extend(_pictures_in(tar, _state(tar)))
    if not pictures:
        raise UserError(f"expected images ({', '.join(sorted(PICTURE_SUFFIXES))}) in {images}, found none")
    return pictures


def expand_ranges(text: str) -> list[str]:
    """`a-{08..10}.tar` -> a-08.tar, a-09.tar, a-10.tar; UserError for a range that runs backwards or is too long."""
    match = _RANGE.search(text)
    if match is None:
        return [text]
    first, last = (int(number) for number in match.groups())
    if not first <= last < first + MAX_TARS:
        raise UserError(f"expected a range of 1 to {MAX_TARS} numbers, found {match[0]}")
    rest = expand_ranges(text[match.end() :])
    if (last - first + 1) * len(rest) > MAX_TARS:
        raise UserError(f"expected at most {MAX_TARS} tars, found {(last - first + 1) * len(rest)} in {text}")
    width = len(match[1])
    return [f"{text[: match.start()]}{number:0{width}}{end}" for number in range(first, last + 1) for end in rest]


def _find_tars(images: str) -> list[TarPath]:
    tars: list[TarPath] = []
    for name in expand_ranges(images):
        tars.extend(list_remote(name) if "://" in name else _local_tars(Path(name).expanduser()))
    if not tars:
        raise UserError(f"expected tars at {images}, found none; check the path")
    return tars


def _local_tars(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if "*" in path.name:
        return sorted(entry for entry in path.parent.glob(path.name) if entry.is_file())
    raise UserError(f"expected a tar at {path}, found nothing there; check the path")


def _state(tar: TarPath) -> str | None:
    """A key that changes with the tar, without reading it."""
    if isinstance(tar, str):
        return remote_key(tar)
    status = tar.stat()
    return f"{status.st_mtime_ns}:{status.st_size}:{status.st_ino}"


@lru_cache(maxsize=_INDEXES_KEPT)
def _pictures_in(tar: TarPath, state: str | None) -> tuple[Picture, ...]:
    """The images of one tar in this `state`, each with the metadata of its .json."""
    try:
        with _open(tar) as file:
            members = {member.name: member for member in _members(file)}  # of two with one name the later one counts
            jsons = {_key(name): member for name, member in members.items() if _suffix(name) == ".json"}
            stated = {key: _statement(file, tar, member) for key, member in jsons.items()}
    except UserError:
        raise
    except Exception as error:  # on damaged bytes tarfile raises anything, and file systems do
        raise UserError(
            f"expected a whole tar without compression at {_shown(tar)}, {describe_error(error)}"
        ) from error
    return tuple(
        Picture(TarMember(tar, _text(name), member.offset_data, member.size), None, *stated.get(_key(name), ()))
        for name, member in members.items()
        if _suffix(name) in PICTURE_SUFFIXES
    )


def _members(file: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """The tar's ordinary files; TarError when it is damaged or breaks off.

    tarfile takes a damaged header for the archive's end, so the block there is checked; a negative size would make it
    loop.
    """
    with tarfile.open(fileobj=cast(IO[bytes], _ShortReads(file)), mode="r:") as archive:
        for member in archive:
            if member.size < 0:
                raise tarfile.ReadError(f"a size of {member.size} bytes")
            if member.isreg() and not member.issparse():
                yield member
        file.seek(archive.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"no header and no end of the archive at byte {archive.offset}")


def _statement(file: IO[bytes], tar: TarPath, member: tarfile.TarInfo) -> tuple[str | None, str | None]:
    """Read license and attribution from a .json member; without an attribution, its url serves as one."""
    position = f"{_shown(tar)}!/{_text(member.name)}"
    if member.size > MAX_STATEMENT_BYTES:
        raise UserError(f"expected at most {MAX_STATEMENT_BYTES} bytes in {position}, found {member.size}")
    file.seek(member.offset_data)
    try:
        metadata = parse_json(file.read(member.size))
    except ValueError as error:
        raise UserError(f"expected JSON in {position}, {describe_error(error)}; mend the tar") from error
    if not isinstance(metadata, dict):
        raise UserError(f"expected a JSON object in {position}, found {type(metadata).__name__}; mend the tar")
    url = _plain(metadata.get("url"))
    attribution = _plain(metadata.get("attribution")) or (without_credentials(url) if url else None)
    return _plain(metadata.get("license")), attribution


def _plain(value: Any) -> str | None:
    """A JSON value as text; None for null and empty."""
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "backslashreplace").decode()  # JSON can spell halves of characters


def _open(tar: TarPath) -> IO[bytes]:
    if isinstance(tar, Path):
        return tar.open("rb")
    fs, path = open_file_system(tar)
    return cast(IO[bytes], fs.open(path, "rb"))


def _read_range(tar: TarPath, offset: int, size_bytes: int) -> bytes:
    if isinstance(tar, str):
        fs, path = open_file_system(tar)
        return bytes(fs.cat_file(path, start=offset, end=offset + size_bytes))
    with tar.open("rb") as file:
        file.seek(offset)
        return file.read(size_bytes)


def _shown(tar: TarPath) -> str:
    return tar if isinstance(tar, str) else source_uri(tar)


def _key(name: str) -> str:
    """Key shared by the members of one sample: the path up to the first dot of the file's name."""
    directory, slash, file = name.rpartition("/")
    return directory + slash + file.partition(".")[0]


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _text(name: str) -> str:
    """A member's name as text; bytes that are not UTF-8 are written as \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


class _ShortReads:
    """A file for tarfile, which reads a header's extension into memory however long it claims to be."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_TAR_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)
