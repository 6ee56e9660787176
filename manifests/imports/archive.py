"""The files of a directory or of a zip, by name with forward slashes. A zip is read where it is, never unpacked."""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from manifests.errors import UserError, listed
from manifests.files.walk import walk_files
from manifests.imports.safe_paths import file_inside, relative_name
from manifests.pixels.image_files import read_file, source_uri

MAX_FILE_BYTES = 1 << 29  # of one file in a zip; an uncompressed image of 100 megapixels is smaller


class Tree(Protocol):
    """Files by name; `hidden` are leftovers of archivers and file managers (`._a.png`, `.DS_Store`).

    `read` raises UserError for a file that is damaged or lies outside.
    """

    names: list[str]
    hidden: list[str]

    def read(self, name: str) -> bytes: ...

    def uri(self, name: str) -> str: ...


def open_tree(path: Path) -> Tree:
    """Open the directory or the zip `path`; UserError when it is neither."""
    if path.is_dir():
        return Directory(path)
    if zipfile.is_zipfile(path):
        return Archive(path)
    found = "a file of another kind, or one cut off" if path.exists() else "nothing"
    raise UserError(f"expected a directory or a zip at {path}, found {found}; check the path")


def below(tree: Tree, marker: str) -> Tree:
    """The tree from the folder inside that holds `marker`, a file's name or `folder/`, if only one does, or itself."""
    ends = {name[:place] for name in tree.names if (place := f"/{name}".find(f"/{marker}")) > 0}
    inside_itself = any(name.startswith(marker) for name in tree.names)
    return tree if inside_itself or len(ends) != 1 else Subtree(tree, ends.pop())


class Directory:
    """The files below a directory, at any depth, including linked folders; UserError when one can't be opened."""

    def __init__(self, root: Path) -> None:
        self.root = root
        walk = walk_files(root, hidden=True)
        if walk.closed:
            folders = [f"{path}: {reason}" for path, reason in walk.closed.items()]
            raise UserError(
                f"expected to list {root}, found {listed('closed folders', folders)}; mend their permissions"
            )
        files = (path.relative_to(root).as_posix() for path in walk.files if path.is_file() or path.is_symlink())
        self.names, self.hidden = _visible_and_hidden(files)

    def read(self, name: str) -> bytes:
        path = file_inside(self.root, name)
        if path is None:
            raise UserError(f"expected the file {self.root / name}, found nothing")
        return read_file(path)

    def uri(self, name: str) -> str:
        return source_uri(self.root / name)


class Archive:
    """The files of a zip; UserError when one of its names leaves the archive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise UserError(f"expected a sound zip at {path}, found damage ({error})") from error
        files = [entry.filename for entry in self._zip.infolist() if not entry.is_dir()]
        for name in files:
            try:
                relative_name(name)
            except UserError as error:
                raise UserError(f"{path}: {error}") from error
        self.names, self.hidden = _visible_and_hidden(files)

    def read(self, name: str) -> bytes:
        size = self._zip.getinfo(name).file_size
        if size > MAX_FILE_BYTES:
            raise UserError(f"expected at most {MAX_FILE_BYTES} bytes in {name} of {self.path}, found {size}")
        try:
            return self._zip.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise UserError(f"expected a sound file {name} in {self.path}, found damage ({error})") from error

    def uri(self, name: str) -> str:
        return f"{source_uri(self.path)}/{name}"


class Subtree:
    """The files of a tree below one of its folders, `prefix` with a slash at its end."""

    def __init__(self, tree: Tree, prefix: str) -> None:
        self._tree = tree
        self._prefix = prefix
        self.names = [name.removeprefix(prefix) for name in tree.names if name.startswith(prefix)]
        self.hidden = tree.hidden

    def read(self, name: str) -> bytes:
        return self._tree.read(self._prefix + name)

    def uri(self, name: str) -> str:
        return self._tree.uri(self._prefix + name)


def _visible_and_hidden(names: Iterable[str]) -> tuple[list[str], list[str]]:
    visible: list[str] = []
    hidden: list[str] = []
    for name in names:
        is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
        (hidden if is_hidden else visible).append(name)
    return visible, hidden
