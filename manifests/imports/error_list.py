"""The problems of an annotation list: collected by kind, and raised together before a pixel is read."""

from pathlib import Path

from manifests.errors import UserError, listed
from manifests.imports.file_finder import FileFinder


class Problems:
    """The names of what is wrong, by kind: `images listed twice (a.jpg, b.jpg)`."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self._finders: dict[Path, FileFinder] = {}

    def add(self, what: str, name: object) -> None:
        self._names.setdefault(what, []).append(str(name))

    def find(self, root: Path, name: str, *, what: str = "images") -> Path | None:
        """The file `name` below `root`; None, and a problem more, when it lies elsewhere or isn't there."""
        try:
            path = self._finders.setdefault(root, FileFinder(root)).find(name)
        except UserError as error:
            self.add("unusable file names", error)
            return None
        if path is None:
            self.add(f"{what} that {root} doesn't hold", name)
        return path

    def check(self, expected: str) -> None:
        """UserError when there is any: `expected ..., found ...; ...`; else a warning on names found by their ends."""
        if self._names:
            found = "; ".join(listed(what, names) for what, names in self._names.items())
            raise UserError(f"expected {expected}, found {found}")
        for finder in self._finders.values():
            finder.note()
