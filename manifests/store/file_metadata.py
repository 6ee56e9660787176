"""A version's metadata in its Parquet file: JSON under METADATA_KEY. The file may be another program's, or damaged."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from manifests.errors import UserError
from manifests.files.json_text import parse_json
from manifests.store.schema import SCHEMA_VERSION

METADATA_KEY = b"maskfoundry"

_NO_PATH = re.compile(r"[\0\ud800-\udc7f\udd00-\udfff]")  # other surrogates are a path's bytes that aren't UTF-8
_READ_ONLY = re.compile(r"(https?|ftp)://|.*::.*://")  # as a data root: no release writes blobs there


def parse_metadata(raw: bytes, path: Path) -> dict[str, Any]:
    """The metadata of the version at `path`, `created_at` as a time.

    UserError for a newer schema version, and for what `commit` doesn't write.
    """
    try:
        stored = parse_json(raw)
    except ValueError as error:
        raise _damaged(path, f"no JSON ({error})") from error
    if not isinstance(stored, dict):
        raise _damaged(path, "another value")
    schema_version = stored.get("schema_version")
    if isinstance(schema_version, int) and schema_version > SCHEMA_VERSION:
        raise UserError(
            f"expected schema version {SCHEMA_VERSION} or older in {path}, found {schema_version}; update this program"
        )
    wrong = list(_wrong(stored))
    if wrong:
        raise _damaged(path, f"an unusable {', '.join(wrong)}")
    return {**stored, "created_at": datetime.fromisoformat(stored["created_at"])}


def _wrong(stored: dict[str, Any]) -> Iterator[str]:
    """The names of missing and unusable entries."""
    for name, is_usable in _RULES.items():
        if name not in stored or not is_usable(stored[name]):
            yield name


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 31


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_parent(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_counts(value: Any) -> bool:
    return isinstance(value, dict) and "rows" in value and all(map(_is_number, value.values()))


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_data_root(value: Any) -> bool:
    return isinstance(value, str) and not (_NO_PATH.search(value) or _READ_ONLY.match(value))


_RULES: dict[str, Callable[[Any], bool]] = {
    "version": _is_number,
    "parent": _is_parent,
    "operation": _is_text,
    "parameters": _is_object,
    "counts": _is_counts,
    "created_at": _is_time,
    "code_version": _is_text,
    "data_root": _is_data_root,
    "schema_version": _is_number,
}


def _damaged(path: Path, found: str) -> UserError:
    return UserError(f"expected a version's metadata in {path}, found {found}; restore the file from a backup")
