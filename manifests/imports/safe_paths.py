"""Names in a third-party list -> files, which must lie inside the list's directory."""

import os
import re
import unicodedata
from pathlib import Path, PurePosixPath

from manifests.errors import UserError

_ODD = re.compile(r"^[A-Za-z]:|[\x00-\x1f\x7f]")  # a drive, a control character


def relative_name(name: str) -> str:
    """`name` with forward slashes; UserError when it could leave its directory.

    Refused: absolute names, `..`, drive letters, control characters, and text that isn't UTF-8.
    """
    slashed = name.replace("\\", "/")
    if not slashed or slashed.startswith("/") or ".." in slashed.split("/") or _ODD.search(slashed):
        raise UserError(f"expected a file name inside the directory, found {name!r}; write it relative to that")
    try:
        os.fsencode(slashed).decode("utf-8")
    except UnicodeError as error:
        raise UserError(f"expected a file name in UTF-8, found {name!a}; rename the file") from error
    return PurePosixPath(slashed).as_posix()


def file_inside(root: Path, name: str) -> Path | None:
    """The file `name` below `root`; None when it is missing, UserError when it lies elsewhere, such as behind a link.

    Accents match in either form: macOS writes them decomposed, most lists composed.
    """
    relative = relative_name(name)
    forms = dict.fromkeys([relative, composed(relative), unicodedata.normalize("NFD", relative)])
    try:
        path = next((root / form for form in forms if (root / form).is_file()), None)
        if path is None:
            return None
        target = path.resolve()
    except OSError as error:  # too long for a name, a loop of links
        raise UserError(f"expected a usable file name, found {name[:80]!r} ({error.strerror})") from error
    if not target.is_relative_to(root.resolve()):
        raise UserError(f"expected {name!r} to lie in {root}, found a link to {target}; copy the file there")
    return path


def composed(name: str) -> str:
    """The name with its accents composed (NFC), the form in which names are compared."""
    return unicodedata.normalize("NFC", name)


def lines_of(text: str) -> list[str]:
    """The lines of a text file; other separators (U+2028, U+0085) are characters of a line."""
    return re.split(r"\r\n|\r|\n", text)


def text_of(data: bytes, name: str) -> str:
    """Decode a third-party list; UserError, with `name`, when it isn't UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"expected text in UTF-8 in {name}, found other bytes; convert it") from error
