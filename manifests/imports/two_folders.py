"""A folder of images and a folder of masks with the same subfolders -> trusted pairs, from directories or zips.

Files that can't be paired (no partner, another folder, hidden) are listed and skipped, a line for each kind: of the
tens of thousands of files of a public dataset a few are always missing or broken.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from manifests.errors import UserError, listed
from manifests.imports.archive import Tree, open_tree
from manifests.imports.ground_truth import LeftOut, TrustedPair, left_out
from manifests.imports.safe_paths import composed
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import PICTURE_SUFFIXES


@dataclass(frozen=True, slots=True)
class TwoFolders:
    """A dataset's layout: the two folders, the common part of a pair's names, and the reader of its masks.

    `common` is searched in a name below the folder; its groups are the same for an image and its mask. `read_mask`
    makes uint8 (H, W) from a file's bytes and name, or raises UserError.
    """

    images: str
    masks: str
    common: re.Pattern[str]
    read_mask: Callable[[bytes, str], Pixels]
    example: str


def read_two_folders(layout: TwoFolders, annotations: Path, images: Path | None) -> list[TrustedPair | LeftOut]:
    """The pairs in the order of their names, then each kind of file left out; UserError without a pair.

    `annotations` holds both folders, or only the masks when `images` is given.
    """
    masks = open_tree(annotations)
    image_tree = open_tree(images) if images else masks
    image_of, strange_images = _by_key(image_tree, layout, "" if images else layout.images, images or annotations)
    mask_of, strange_masks = _by_key(masks, layout, "" if images else layout.masks, annotations)
    both = sorted(image_of.keys() & mask_of.keys())
    if not both:
        raise UserError(
            f"expected {layout.example} in {annotations}{f' and {images}' if images else ''}, found {len(image_of)} "
            f"images and {len(mask_of)} masks and no pair of them; check --annotations and --images"
        )
    pairs = [
        TrustedPair(
            name=image_of[key],
            mask_name=mask_of[key],
            uri=image_tree.uri(image_of[key]),
            read_image=partial(image_tree.read, image_of[key]),
            read_mask=partial(_read_mask, masks, mask_of[key], layout),
            mask_file=partial(masks.read, mask_of[key]),
        )
        for key in both
    ]
    unpaired = {
        "images without a mask": [image_of[key] for key in image_of.keys() - mask_of.keys()],
        "masks without an image": [mask_of[key] for key in mask_of.keys() - image_of.keys()],
        f"files that don't lie as {layout.example}": [*strange_images, *strange_masks],
        "hidden files": [*masks.hidden, *(image_tree.hidden if images else [])],
    }
    return [*pairs, *left_out(unpaired)]


def _by_key(tree: Tree, layout: TwoFolders, folder: str, path: Path) -> tuple[dict[str, str], list[str]]:
    """Image files under a folder: the key of a pair -> the name, and the names without a key."""
    prefix = f"{folder}/" if folder else ""
    by_key: dict[str, str] = {}
    strange, twice = [], []
    for name in tree.names:
        if not name.startswith(prefix) or PurePosixPath(name).suffix.lower() not in PICTURE_SUFFIXES:
            continue
        match = layout.common.search(name.removeprefix(prefix))
        if match is None:
            strange.append(name)
        elif by_key.setdefault(composed("/".join(match.groups())), name) != name:
            twice.append(name)
    if twice:
        raise UserError(f"expected each name once in {path}, found {listed('that occur twice', twice)}")
    return by_key, strange


def _read_mask(tree: Tree, name: str, layout: TwoFolders) -> Pixels:
    return layout.read_mask(tree.read(name), name)
