"""Pairs of an image file and the mask file of the same stem, in two directories: `person.jpg` with `person.png`."""

from dataclasses import dataclass
from pathlib import Path

from manifests.errors import UserError, lines_on
from manifests.imports.safe_paths import composed
from manifests.pixels.image_files import list_pictures


@dataclass(frozen=True, slots=True)
class Pair:
    """One image file and the mask file of the same stem."""

    image: Path
    mask: Path


def find_pairs(images: Path, masks: Path) -> list[Pair]:
    """Pairs by stem, in the order of their names; UserError listing files without a partner or with two."""
    image_of, image_clashes = _by_stem(list_pictures(images))
    mask_of, mask_clashes = _by_stem(list_pictures(masks))
    unpaired = {
        "images without a mask": [image_of[stem].name for stem in image_of.keys() - mask_of.keys()],
        "masks without an image": [mask_of[stem].name for stem in mask_of.keys() - image_of.keys()],
        "names that occur twice": image_clashes + mask_clashes,
        "images that are their own masks": _own_masks(image_of, mask_of),
    }
    problems = lines_on(unpaired)
    if problems:
        raise UserError(f"expected one mask per image in {images} and {masks}, found {'; '.join(problems)}")
    return [Pair(image_of[stem], mask_of[stem]) for stem in sorted(image_of)]


def _own_masks(image_of: dict[str, Path], mask_of: dict[str, Path]) -> list[str]:
    """Names of images whose mask is the same file."""
    return [image_of[stem].name for stem in image_of.keys() & mask_of.keys() if image_of[stem].samefile(mask_of[stem])]


def _by_stem(paths: list[Path]) -> tuple[dict[str, Path], list[str]]:
    by_stem: dict[str, Path] = {}
    clashes = []
    for path in paths:
        stem = composed(path.stem)
        if stem in by_stem:
            clashes.append(path.name)
        by_stem.setdefault(stem, path)
    return by_stem, clashes
