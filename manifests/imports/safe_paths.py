"""A third-party list of names, and a name out of it -> the file, which must lie inside the list's directory."""

import os
import re
import unicodedata
from pathlib import Path, PurePosixPath

from manifests.errors import UserError

_ODD = re.compile(r"^[A-Za-z]:|[\x00-\x1f\x7f]")  # a drive, a control character


def relative_name(name: str) -> str:
    """`name` with forward slashes, as it is otherwise; UserError when it could leave the directory it is in.

    Refused: absolute names, `..`, drive letters, control characters, and text that is no UTF-8.
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
    """The file `name` below `root`; None when there is none, UserError when it lies elsewhere, behind a link say.

    A name counts in either form of its accents: macOS writes them decomposed, most lists composed.
    """
    relative = relative_name(name)
    forms = dict.fromkeys([relative, composed(relative), unicodedata.normalize("NFD", relative)])
    try:
        path = next((root / form for form in forms if (root / form).is_file()), None)
        if path is None:
            return None
        found = path.resolve()
    except OSError as error:  # too long for a name, a loop of links
        raise UserError(f"expected a usable file name, found {name[:80]!r} ({error.strerror})") from error
    if not found.is_relative_to(root.resolve()):
        raise UserError(f"expected {name!r} to lie in {root}, found a link to {found}; copy the file there")
    return path


def composed(name: str) -> str:
    """The name with its accents composed (NFC), the form in which names are compared."""
    return unicodedata.normalize("NFC", name)


def lines_of(text: str) -> list[str]:
    """The lines of a text file; other separators (U+2028, U+0085) are characters of a line."""
    return re.split(r"\r\n|\r|\n", text)


def text_of(data: bytes, name: str) -> str:
    """The text of a third-party list; UserError, with `name`, when it isn't UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"expected text in UTF-8 in {name}, found other bytes; convert it") from error
