"""The problems of an annotation list: collected by kind, and raised together before a pixel is read."""

from pathlib import Path

from manifests.errors import UserError, lines_on
from manifests.imports.file_finder import FileFinder


class Problems:
    """Names of wrong entries, by kind: `images listed twice (a.jpg, b.jpg)`."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self._finders: dict[Path, FileFinder] = {}

    def add(self, what: str, name: object) -> None:
        self._names.setdefault(what, []).append(str(name))

    def find(self, root: Path, name: str, *, what: str = "images") -> Path | None:
        """Find the file `name` below `root`; None, with a problem added, when it is missing or lies elsewhere."""
        try:
            path = self._finders.setdefault(root, FileFinder(root)).find(name)
        except UserError as error:
            self.add("unusable file names", error)
            return None
        if path is None:
            self.add(f"{what} that {root} doesn't hold", name)
        return path

    def check(self, expected: str) -> None:
        """UserError listing the problems, `expected ..., found ...; ...`; else log names found by their ends."""
        if self._names:
            raise UserError(f"expected {expected}, found {'; '.join(lines_on(self._names))}")
        for finder in self._finders.values():
            finder.note()
