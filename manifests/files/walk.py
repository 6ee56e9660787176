"""The files below a directory, including linked folders; each folder is entered once, so loops of links end."""

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Walk:
    """The `files` below a directory, sorted, and the `closed` folders, which can't be opened, with the reason.

    Everything except folders counts as a file, including broken links.
    """

    files: list[Path] = field(default_factory=list)
    closed: dict[Path, str] = field(default_factory=dict)


def walk_files(root: Path, *, hidden: bool = False) -> Walk:
    """List the files below `root`; those whose name or folder begins with a dot only when `hidden`.

    Links are followed last, so that a file is listed under its own folder and not under a link.
    """
    walk = Walk()
    entered: set[tuple[int, int]] = set()
    pending = [root]
    while pending:
        pending = sorted(link for start in pending for link in _walk_one(start, walk, entered, hidden))
    walk.files.sort()
    return walk


def _walk_one(start: Path, walk: Walk, entered: set[tuple[int, int]], hidden: bool) -> list[Path]:
    """Add the files below `start` to `walk`; return the links to folders."""

    def note(error: OSError) -> None:
        walk.closed[Path(str(error.filename))] = error.strerror or str(error)

    links: list[Path] = []
    for name, folders, files in os.walk(start, onerror=note):
        folder = Path(name)
        visible = [each for each in folders if hidden or not each.startswith(".")]
        if not _enter(folder, entered):
            folders.clear()
            continue
        links += [folder / each for each in visible if (folder / each).is_symlink()]
        folders[:] = sorted(each for each in visible if not (folder / each).is_symlink())
        walk.files.extend(folder / each for each in files if hidden or not each.startswith("."))
    return links


def _enter(folder: Path, entered: set[tuple[int, int]]) -> bool:
    """Record a folder; whether it is entered for the first time."""
    status = folder.stat()
    key = status.st_dev, status.st_ino
    is_new = key not in entered
    entered.add(key)
    return is_new
