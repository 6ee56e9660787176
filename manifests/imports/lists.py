"""Text files that list pairs, a line each -> trusted pairs: `image mask`, or one name that both are made from.

Columns are separated by tabs or spaces; names with spaces are in double quotes. A directory's `*train*.txt`,
`*val*.txt` and `*test*.txt` are one list; a pair that is listed twice is one pair.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from manifests.errors import UserError, lines_on
from manifests.imports.file_finder import FileFinder
from manifests.imports.ground_truth import TrustedPair
from manifests.imports.safe_paths import lines_of, text_of

Line = tuple[str, ...]  # one or two names
Candidates = tuple[list[str], list[str]]  # possible places of a line's image and of its mask, below the root

_LISTS = ("*train*.txt", "*val*.txt", "*test*.txt")


def read_list(annotations: Path, root: Path, candidates: Callable[[Line], Candidates]) -> list[TrustedPair]:
    """The pairs of a list file, or of a directory's lists, in the order of their names.

    The first of a line's `candidates` that exists below `root` is taken. UserError listing every problem: missing
    files, names that leave the directory, lines of more than two columns, images with two masks.
    """
    if not root.is_dir():
        raise UserError(f"expected a directory of images and masks at {root}, found none; check --images")
    problems: dict[str, list[str]] = {}
    mask_of: dict[Path, Path] = {}
    finder = FileFinder(root)
    for line in _lines(annotations):
        if len(line) > 2:
            problems.setdefault("lines of more than two names", []).append(" ".join(line)[:80])
            continue
        image_names, mask_names = candidates(line)
        image = _first(finder, image_names, "images that aren't there", problems)
        mask = _first(finder, mask_names, "masks that aren't there", problems)
        if image and mask and mask_of.setdefault(image, mask) != mask:
            problems.setdefault("images with two masks", []).append(image_names[0])
    if problems:
        found = "; ".join(lines_on(problems))
        raise UserError(f"expected the files that {annotations} lists below {root}, found {found}")
    finder.note()
    return [
        TrustedPair.of_files(
            image, mask, name=image.relative_to(root).as_posix(), mask_name=mask.relative_to(root).as_posix()
        )
        for image, mask in sorted(mask_of.items())
    ]


def list_directory(annotations: Path) -> Path:
    """The directory that names of a list start from by default: the list's own. UserError if there is no list."""
    if not annotations.exists():
        raise UserError(f"expected a list of names at {annotations}, found no file; check the path")
    return annotations if annotations.is_dir() else annotations.parent


def _lines(annotations: Path) -> list[Line]:
    files = sorted({file for pattern in _LISTS for file in annotations.glob(pattern)})
    if not annotations.is_dir():
        files = [annotations]
    lines = [line for file in files for line in _lines_of(file)]
    if not lines:
        expected = f"lists of names ({', '.join(_LISTS)})" if annotations.is_dir() else "names, a line each,"
        raise UserError(f"expected {expected} in {annotations}, found none; pass the list as --annotations")
    return lines


def _lines_of(file: Path) -> Iterable[Line]:
    try:
        text = text_of(file.read_bytes(), str(file))
    except FileNotFoundError as error:
        raise UserError(f"expected a list of names at {file}, found no file; check the path") from error
    for line in lines_of(text):
        delimiter = "\t" if "\t" in line.strip() else " "
        names = next(csv.reader([line.strip()], delimiter=delimiter, skipinitialspace=True), [])
        if columns := tuple(name for name in names if name):
            yield columns


def _first(finder: FileFinder, names: Sequence[str], what: str, problems: dict[str, list[str]]) -> Path | None:
    """The first of the names that is a file below the root; None, with a problem added, when none is."""
    for name in names:
        try:
            if path := finder.find(name):
                return path
        except UserError as error:
            problems.setdefault("unusable names", []).append(str(error))
            return None
    problems.setdefault(what, []).append(names[0])
    return None
