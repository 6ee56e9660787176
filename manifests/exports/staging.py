"""Write an export whole or not at all: under a temporary name beside OUTPUT, renamed at the end.

A killed export leaves at most a directory `.tmp-...`, which can be deleted.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from manifests.errors import UserError
from manifests.files.atomic import filling


@contextmanager
def fresh_directory(output: Path) -> Iterator[Path]:
    """A temporary directory that becomes `output` when the block succeeds, and is removed otherwise.

    UserError when `output` exists and isn't an empty directory.
    """
    output = output.expanduser().absolute()
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise UserError(f"expected a new directory at {output}, found something else there; choose another name")
    if output.is_dir() and any(output.iterdir()):
        raise UserError(f"expected a new or empty directory at {output}, found files in it; choose another name")
    with filling(output) as temporary:
        yield temporary
        os.sync()  # instead of thousands of fsyncs, which take minutes


def put(directory: Path, name: str, data: bytes) -> None:
    """Write `data` to directory/name, and create its folders."""
    put_parts(directory, name, [data])


def put_parts(directory: Path, name: str, parts: Iterable[bytes]) -> None:
    """`put` of parts, which may be produced lazily."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.writelines(parts)


def json_bytes(value: object) -> bytes:
    """Indented JSON: the same value gives the same bytes."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def write_json_list(file: TextIO, entries: Iterable[dict[str, Any]]) -> None:
    """Write the inside of a JSON list, one object a line, without holding all of them."""
    for index, entry in enumerate(entries):
        file.write((",\n" if index else "") + json.dumps(entry, ensure_ascii=False))
    file.write("\n")
