"""Names in a third-party list -> files below the given directory, by whole names or by their ends.

A list may name `C:/data/images/p0.jpg` or `/home/ada/images/p0.jpg`, from the machine it was written on. Such a name
stands for the file below the directory whose path has the longest end in common with it, if there is only one.
"""

import logging
import re
from collections import defaultdict
from pathlib import Path

from manifests.errors import UserError, listed
from manifests.files.walk import walk_files
from manifests.imports.safe_paths import composed, file_inside

logger = logging.getLogger(__name__)

_ABSOLUTE = re.compile(r"[A-Za-z]:[/\\]|[/\\]")


class FileFinder:
    """Finds names below one directory, and records those that it found by their ends."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_name: dict[str, list[Path]] | None = None
        self._absolute_of: dict[Path, str] = {}

    def find(self, name: str) -> Path | None:
        """The file that `name` stands for; None when it is missing, UserError for an unusable or ambiguous name."""
        if not _ABSOLUTE.match(name):
            return file_inside(self._root, name)
        path = self._by_end(name)
        if self._absolute_of.setdefault(path, name) != name:
            raise UserError(
                f"expected one name for {path}, found {self._absolute_of[path]!r} and {name!r}; "
                f"write names relative to {self._root}"
            )
        return path

    def note(self) -> None:
        """Log one warning that lists the absolute names found by their ends."""
        ends = [f"{name} is {path}" for path, name in self._absolute_of.items() if Path(name) != path.absolute()]
        if ends:
            logger.warning("%s", listed("absolute names that were found by their ends", ends))

    def _by_end(self, name: str) -> Path:
        parts = _parts(name)
        matches: dict[int, list[Path]] = defaultdict(list)
        for path in self._named(parts[-1] if parts else ""):
            matches[_common_end(parts, _parts(path.as_posix()))].append(path)
        if not matches:
            raise UserError(
                f"expected a file name inside the directory, found {name!r} and no such file below {self._root}; "
                "give the directory of the images as --images, or write names relative to it"
            )
        best = matches[max(matches)]
        if len(best) > 1:
            places = " and ".join(path.as_posix() for path in best[:2])
            raise UserError(
                f"expected a file name inside the directory, found {name!r}, which may be {places} in {self._root}; "
                "give the directory nearest to the images as --images, or write names relative to it"
            )
        path_inside = file_inside(self._root, best[0].as_posix())
        if path_inside is None:
            raise UserError(f"expected the file {self._root / best[0]} for {name!r}, found nothing")
        return path_inside

    def _named(self, name: str) -> list[Path]:
        """Files called `name`, at any depth, relative to the root."""
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for path in walk_files(self._root).files:
                self._by_name[composed(path.name)].append(path.relative_to(self._root))
        return self._by_name.get(name, [])


def _parts(name: str) -> list[str]:
    return [part for part in composed(name).replace("\\", "/").split("/") if part]


def _common_end(parts: list[str], others: list[str]) -> int:
    """The number of parts that two paths have in common at their ends."""
    same = 0
    while same < min(len(parts), len(others)) and parts[-1 - same] == others[-1 - same]:
        same += 1
    return same
