"""The blobs that lie under a data root: a table with the columns `name` and `digest`.

At an s3:// URL there are three more, which tell what was seen of each object: `version_ids`, `size_bytes` and
`modified_at`.
"""

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from manifests.files.blobs import BLOB_SUFFIXES, BLOBS
from manifests.files.bucket import Bucket, StoredObject
from manifests.files.storage import is_remote

DIGEST_DIGITS = 64

_PART = 10_000  # objects as Python ones at a time
_BLOB_NAME = re.compile(rf"[0-9a-f]{{{DIGEST_DIGITS}}}({'|'.join(map(re.escape, BLOB_SUFFIXES))})")
_SEEN = pa.schema(
    {
        "name": pa.string(),
        "version_ids": pa.list_(pa.string()),
        "size_bytes": pa.int64(),
        "modified_at": pa.float64(),
    }
)


def list_blobs(data_root: Path) -> pa.Table:
    """List every blob, file or link, in its proper directory; UserError for a URL of another file system than S3."""
    table = _objects(Bucket(data_root)) if is_remote(data_root) else _files(data_root)
    return table.append_column("digest", pc.utf8_slice_codeunits(table["name"], 0, DIGEST_DIGITS))


def seen_objects(blobs: pa.Table) -> Iterator[StoredObject]:
    """The objects of rows that `list_blobs` found in a bucket; their names are below the directory of blobs."""
    for row in blobs.to_pylist():
        ids = tuple(row["version_ids"])
        yield StoredObject(f"{row['name'][:2]}/{row['name']}", ids, row["size_bytes"], row["modified_at"])


def _objects(bucket: Bucket) -> pa.Table:
    objects = bucket.objects(BLOBS)
    parts = [_SEEN.empty_table()]
    while some := list(islice(objects, _PART)):
        named = ((stored, *stored.name.partition("/")) for stored in some)
        rows = [
            {
                "name": name,
                "version_ids": stored.version_ids,
                "size_bytes": stored.size_bytes,
                "modified_at": stored.modified_at,
            }
            for stored, directory, _, name in named
            if _is_proper(name, directory)
        ]
        parts.append(pa.Table.from_pylist(rows, schema=_SEEN))
    return pa.concat_tables(parts)


def _files(data_root: Path) -> pa.Table:
    chunks = []
    for number in range(256):
        directory = data_root / BLOBS / f"{number:02x}"
        if directory.is_dir():
            with os.scandir(directory) as entries:
                names = [entry.name for entry in entries if _is_blob(entry, directory.name)]
            chunks.append(pa.array(names, pa.string()))
    return pa.table({"name": pa.chunked_array(chunks, pa.string())})


def _is_blob(entry: os.DirEntry[str], directory: str) -> bool:
    return _is_proper(entry.name, directory) and (entry.is_symlink() or entry.is_file())


def _is_proper(name: str, directory: str) -> bool:
    return name[:2] == directory and _BLOB_NAME.fullmatch(name) is not None
