"""Third-party JSON files, whose content may be anything."""

from pathlib import Path
from typing import Any

from manifests.errors import UserError
from manifests.files.json_text import parse_json


def read_json(path: Path, what: str) -> Any:
    """Read the file `path`, which should hold `what`; UserError when it is missing or isn't JSON in UTF-8."""
    try:
        return parse_json(path.read_bytes().decode("utf-8-sig"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"expected {what} at {path}, found no file; check the path") from error
    except OSError as error:  # too long for a name, a loop of links, no permission
        raise UserError(f"expected {what} at {str(path)[:80]!r}, found none ({error.strerror})") from error
    except ValueError as error:  # neither JSON nor UTF-8
        raise UserError(f"expected {what} (JSON in UTF-8) in {path}, found other bytes ({error})") from error


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; [] for any other value."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """A text that isn't empty; None for any other value."""
    return value if isinstance(value, str) and value else None
