"""The problems of an annotation list: collected by kind, and raised together before a pixel is read."""

from collections.abc import Sized
from pathlib import Path

from manifests.errors import UserError, lines_on
from manifests.imports.file_finder import FileFinder
from manifests.imports.ground_truth import Broken


class Problems:
    """Names of wrong entries, by kind: `images listed twice (a.jpg, b.jpg)`."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self._broken: dict[str, list[str]] = {}
        self._finders: dict[Path, FileFinder] = {}

    def add(self, what: str, name: object) -> None:
        self._names.setdefault(what, []).append(str(name))

    def add_broken(self, what: str, name: object) -> None:
        """Add an image whose annotations can't be drawn whole, which an import may skip."""
        self._broken.setdefault(what, []).append(str(name))

    @property
    def broken(self) -> list[Broken]:
        """The images of `add_broken`, by kind."""
        return [Broken(what, names) for what, names in self._broken.items()]

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

    def check(self, expected: str, *, pairs: Sized = (None,)) -> None:
        """UserError listing all problems, `expected ..., found ...; ...`; else log names found by their ends.

        Images that may be skipped raise nothing by themselves, unless there are no `pairs` beside them.
        """
        if self._names or (self._broken and not len(pairs)):
            raise UserError(f"expected {expected}, found {'; '.join(lines_on({**self._names, **self._broken}))}")
        for finder in self._finders.values():
            finder.note()
