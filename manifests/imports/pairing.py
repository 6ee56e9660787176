"""Pairs of an image file and its mask file, by name: `person.jpg` with `person.png`, `s1/person.jpg` with
`s1/person.png` where stems repeat, `person.jpg` with `person_mask.png` in another or the same directory.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from manifests.errors import UserError, lines_on
from manifests.imports.safe_paths import composed
from manifests.pixels.image_files import list_pictures

MASK_SUFFIX = re.compile(
    r"[-_.](masks?|matte|alpha|seg(mentation)?|labels?|gt|annotation|gtFine_label(Train)?Ids)$", re.IGNORECASE
)
IMAGE_SUFFIX = re.compile(r"[-_.](leftImg8bit|image|img|rgb)$", re.IGNORECASE)

_JPEG_AND_PNG = ((".jpg", ".jpeg"), (".png",))

Key = Callable[[str], str]  # a path below its directory, without the file's suffix -> what a pair has in common


@dataclass(frozen=True, slots=True)
class Pair:
    """One image file and its mask file."""

    image: Path
    mask: Path
    name: str  # of the image, below the images' directory where stems repeat
    mask_name: str


@dataclass(frozen=True, slots=True)
class _Files:
    """Image files, and the directory that their names start from."""

    paths: list[Path]
    root: Path

    def name(self, path: Path) -> str:
        return path.absolute().relative_to(self.root).as_posix()

    def by(self, key: Key) -> tuple[dict[str, Path], dict[str, str]]:
        """The files by key, and the names and keys of those whose key another file has."""
        by_key: dict[str, Path] = {}
        clashes: dict[str, str] = {}
        for path in self.paths:
            name = self.name(path)
            common = composed(key(name.removesuffix(path.suffix)))
            if by_key.setdefault(common, path) is not path:
                clashes[name] = common
        return by_key, clashes


def find_pairs(images: Path, masks: Path) -> list[Pair]:
    """The pairs of `match_files`; UserError listing files without a partner or with two."""
    pairs, unpaired = match_files(images, masks)
    problems = lines_on(unpaired)
    if problems:
        raise UserError(
            f"expected one mask per image in {images} and {masks}, found {'; '.join(problems)}; mend the names, or "
            "leave these files out of an import with --skip-broken"
        )
    return pairs


def match_files(images: Path, masks: Path) -> tuple[list[Pair], dict[str, list[str]]]:
    """The pairs, in the order of their names, and the names of files that make none, by reason.

    By the first of these that leaves fewest files over: stems, paths below the two directories, stems and then paths
    without a suffix such as `_mask` or `_matte`.
    """
    image_files, mask_files = _split(_files(images), _files(masks))
    attempts = [_pair(image_files, mask_files, *keys) for keys in _KEYS]
    return min(attempts, key=lambda attempt: sum(map(len, attempt[1].values())))


def _files(path: Path) -> _Files:
    """The image files of a directory, a glob or one file."""
    files = list_pictures(path)
    parents = [str(file.absolute().parent) for file in files]
    return _Files(files, path.absolute() if path.is_dir() else Path(os.path.commonpath(parents)))


def _split(images: _Files, masks: _Files) -> tuple[_Files, _Files]:
    """The images and the masks.

    Of one directory given as both, its masks are the files with a mask's suffix, or the PNG of each JPEG and PNG.
    """
    if set(images.paths) == set(masks.paths):
        named = {path for path in images.paths if MASK_SUFFIX.search(path.stem)} or _beside_jpegs(images.paths)
        others = [path for path in images.paths if path not in named]
        if named and others:
            return _Files(others, images.root), _Files(sorted(named), masks.root)
    return images, masks


def _beside_jpegs(paths: Sequence[Path]) -> set[Path]:
    """The PNG files when the others are JPEG, one of each for every stem; none otherwise."""
    stems = [{path.with_suffix("") for path in paths if path.suffix.lower() in each} for each in _JPEG_AND_PNG]
    is_half = stems[0] == stems[1] and len(paths) == 2 * len(stems[0])
    return {path for path in paths if path.suffix.lower() in _JPEG_AND_PNG[1]} if is_half else set()


def _pair(images: _Files, masks: _Files, image_key: Key, mask_key: Key) -> tuple[list[Pair], dict[str, list[str]]]:
    """The pairs by key, and the names of files that make none, by reason."""
    (image_of, image_clashes), (mask_of, mask_clashes) = images.by(image_key), masks.by(mask_key)
    both = sorted(image_of.keys() & mask_of.keys())
    own = [key for key in both if image_of[key].samefile(mask_of[key])]
    by_path = image_key in (_path, _path_of_image)
    unpaired = {
        "images without a mask": [images.name(image_of[key]) for key in sorted(image_of.keys() - mask_of.keys())],
        "masks without an image": [masks.name(mask_of[key]) for key in sorted(mask_of.keys() - image_of.keys())],
        "names that occur twice": [*image_clashes, *mask_clashes],
        "images that are their own masks": [image_of[key].name for key in own],
    }
    odd = {*image_clashes.values(), *mask_clashes.values(), *own}
    pairs = [
        Pair(
            image_of[key],
            mask_of[key],
            images.name(image_of[key]) if by_path else image_of[key].name,
            masks.name(mask_of[key]) if by_path else mask_of[key].name,
        )
        for key in both
        if key not in odd
    ]
    return pairs, unpaired


def _stem(name: str) -> str:
    return name.rpartition("/")[2]


def _path(name: str) -> str:
    return name


def _stem_of_image(name: str) -> str:
    return IMAGE_SUFFIX.sub("", _stem(name))


def _stem_of_mask(name: str) -> str:
    return MASK_SUFFIX.sub("", _stem(name))


def _path_of_image(name: str) -> str:
    return IMAGE_SUFFIX.sub("", name)


def _path_of_mask(name: str) -> str:
    return MASK_SUFFIX.sub("", name)


_KEYS: tuple[tuple[Key, Key], ...] = (
    (_stem, _stem),
    (_path, _path),
    (_stem_of_image, _stem_of_mask),
    (_path_of_image, _path_of_mask),
)
