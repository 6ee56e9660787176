"""Parse JSON that another program wrote."""

import json
from pathlib import Path
from typing import Any

from manifests.errors import UserError


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text; ValueError for anything else, and for values that are nested too deeply to read."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file; UserError for anything else, FileNotFoundError without the file."""
    try:
        value = parse_json(path.read_bytes())
    except ValueError as error:
        raise UserError(f"expected JSON in {path}, found: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"expected a JSON object in {path}, found {type(value).__name__}")
    return value
