"""A list of URLs (.txt, .csv, .parquet) -> source images that are fetched when they are read."""

import csv
import io
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import UserError
from manifests.files.storage import PARQUET_DAMAGE
from manifests.imports.safe_paths import lines_of
from pipeline.sources.limits import FetchRules
from pipeline.sources.remote import read_bytes
from pipeline.sources.source_image import Picture
from pipeline.sources.urls import without_credentials
from pipeline.sources.web.fetch import Fetcher

LIST_SUFFIXES = (".txt", ".csv", ".parquet")
COLUMNS = ("url", "license", "attribution")

ListRow = Mapping[str, str | None]

_fetchers_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An image behind a URL, identified by the URL: nothing is fetched to detect changes."""

    url: str
    rules: FetchRules

    @property
    def uri(self) -> str:
        """The URL, without credentials."""
        return without_credentials(self.url)

    def read(self) -> bytes:
        """Fetch the bytes; Unusable, with the reason, when it can't."""
        with _fetchers_lock:
            fetcher = _fetcher(self.rules)
        return fetcher.fetch(self.url)

    def fingerprint(self) -> str:
        """The URL, without credentials: with a new signature it is the same image."""
        return self.uri


def list_web_pictures(images: str, rules: FetchRules) -> list[Picture]:
    """List the images of the list at `images`, in its order, each URL once; UserError when it is unreadable or empty.

    A line that is no URL is included: it goes to quarantine like one that can't be fetched.
    """
    data = read_bytes(images)
    read = {".txt": _text_rows, ".csv": _csv_rows, ".parquet": _parquet_rows}[PurePosixPath(images).suffix.lower()]
    pictures: dict[str, Picture] = {}
    for row in read(data, images):
        url = _stated(row, "url")
        if url and url not in pictures:
            address = WebAddress(url, rules)
            pictures[url] = Picture(address, None, _stated(row, "license"), _stated(row, "attribution"))
    if not pictures:
        raise UserError(f"expected URLs in {images}, found none; give one per line, or in a column named url")
    return list(pictures.values())


@cache
def _fetcher(rules: FetchRules) -> Fetcher:
    """This process's fetcher: its limits hold over all threads."""
    return Fetcher(rules)


def _text_rows(data: bytes, images: str) -> Iterator[ListRow]:
    for line in lines_of(_decode(data)):
        if not line.lstrip().startswith("#"):
            yield {"url": line}


def _csv_rows(data: bytes, images: str) -> Iterator[ListRow]:
    reader = csv.DictReader(io.StringIO(_decode(data), newline=""), strict=True)
    try:
        names = _columns(reader.fieldnames or (), images)
        for row in reader:
            yield {column: row[name] for column, name in names.items()}
    except csv.Error as error:
        raise UserError(f"expected CSV in {images}, found in line {reader.line_num}: {error}") from error


def _parquet_rows(data: bytes, images: str) -> Iterator[ListRow]:
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        names = _columns(file.schema_arrow.names, images)
        for batch in file.iter_batches(columns=list(names.values())):
            for row in batch.to_pylist():
                yield {column: None if row[name] is None else str(row[name]) for column, name in names.items()}
    except PARQUET_DAMAGE as error:
        raise UserError(f"expected a Parquet file at {images}, found {error}; write it again") from error


def _columns(names: Iterable[str], images: str) -> dict[str, str]:
    """Map url, license and attribution, where present, to their names in the list."""
    by_name = {name.strip().lower(): name for name in names}
    if "url" not in by_name:
        raise UserError(f"expected a column url in {images}, found {', '.join(by_name) or 'none'}; name it so")
    return {column: by_name[column] for column in COLUMNS if column in by_name}


def _stated(row: ListRow, column: str) -> str | None:
    return (row.get(column) or "").strip() or None


def _decode(data: bytes) -> str:
    return data.decode("utf-8-sig", "backslashreplace")
