"""YOLO segmentation (Ultralytics, Roboflow) -> trusted pairs: the person's polygons of an image, united into one mask.

    data.yaml                      names: the classes in order
    images/train/NAME.jpg          or train/images/NAME.jpg
    labels/train/NAME.txt          a line an object: class x1 y1 x2 y2 ..., in shares of the upright image's sides

A polygon covers the pixels whose centre lies inside. Images without an object of the classes are left out and counted.
One with a box of the class (class x y width height) lacks a person: it is `Broken`. A directory or a zip. Source:
docs.ultralytics.com/datasets/segment.
"""

import math
import re
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from manifests.errors import UserError
from manifests.imports.archive import Tree, below, open_tree
from manifests.imports.categories import chosen_labels
from manifests.imports.drawn_person import OUTSIDE, all_faulty, person_reader
from manifests.imports.error_list import Problems
from manifests.imports.formats.coco import draw
from manifests.imports.ground_truth import LeftOut, TrustedPair, left_out
from manifests.imports.safe_paths import composed, lines_of, text_of
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import PICTURE_SUFFIXES
from manifests.pixels.images import upright_size

Polygon = list[float]  # x, y, x, y, ... in shares of the sides

_LABELS = re.compile(r"(^|/)labels/(.+)\.txt$")
_BOX_NUMBERS = (4, 5)  # x, y, width, height, and a confidence
_MOST_OUTSIDE = 0.5  # of a corner, in shares of the sides: tools let outlines reach a little over the border


def read_yolo(annotations: Path, images: Path | None, category: str) -> list[TrustedPair | LeftOut]:
    """The images with an object of the classes that `category` names, by name; then those without, and broken ones.

    `annotations` is data.yaml, or the directory or zip that holds it. `images` holds the images of a dataset without
    them, by the labels' file names. UserError listing every problem: images that are missing or there twice.
    """
    is_file = annotations.suffix.lower() in (".yaml", ".yml")
    tree = open_tree(annotations.parent) if is_file else _tree_with_names(annotations)
    file = annotations.name if is_file else next(name for name in tree.names if name in ("data.yaml", "data.yml"))
    names = _class_names(tree, file, annotations)
    chosen = chosen_labels(category, list(names.values()), annotations, what="class")
    wanted = {number for number, name in names.items() if name.lower() in chosen}
    image_tree = open_tree(images) if images else tree
    image_of = _images(image_tree, is_apart=images is not None)
    problems = Problems()
    pairs: dict[str, TrustedPair] = {}
    without: list[str] = []
    labels = [name for name in tree.names if _LABELS.search(name)]
    for name in labels:
        polygons = _polygons(tree, name, wanted, problems)
        if polygons is None:
            continue
        if not polygons:
            without.append(name)
            continue
        key = _key(name, is_apart=images is not None)
        image = image_of.get(key, [])
        if len(image) != 1:
            problems.add("labels without one image" if not image else "labels with two images", name)
            continue
        outside = all_faulty(OUTSIDE if _is_outside(polygon) else None for polygon in polygons)
        pairs[image[0]] = TrustedPair(
            name=image[0],
            mask_name=name,
            uri=image_tree.uri(image[0]),
            read_image=partial(image_tree.read, image[0]),
            read_mask=person_reader(partial(_draw, polygons, image_tree, image[0]), name, outside),
        )
    problems.check(f"an image for each file of labels in {annotations}", pairs=pairs)
    if not pairs:
        raise UserError(
            f"expected objects of {category} in {annotations}, found none in {len(labels)} files of labels (labels/"
            "*.txt); pass --category NAME"
        )
    unmarked = left_out({f"files of labels without a {category}": without})
    return [*(pairs[name] for name in sorted(pairs)), *unmarked, *problems.broken]


def _tree_with_names(path: Path) -> Tree:
    tree = below(open_tree(path), "data.yaml")
    if not {"data.yaml", "data.yml"} & set(tree.names):
        raise UserError(f"expected data.yaml with the names of the classes in {path}, found none; pass the file")
    return tree


def _class_names(tree: Tree, file: str, annotations: Path) -> dict[int, str]:
    """The classes by number; UserError for a file without them."""
    try:
        content = yaml.safe_load(text_of(tree.read(file), file))
    except (yaml.YAMLError, RecursionError) as error:
        line = str(error).replace("\n", " ")
        raise UserError(f"expected YAML in {file} of {annotations}, found something else ({line})") from error
    names: Any = content.get("names") if isinstance(content, dict) else None
    numbered = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(numbered, dict) or not numbered or not all(type(number) is int for number in numbered):
        raise UserError(f"expected `names` with the classes in {file} of {annotations}, found none")
    return {number: str(name) for number, name in numbered.items()}


def _key(name: str, *, is_apart: bool) -> str:
    """The common part of a label file's and its image's names."""
    without_suffix = composed(PurePosixPath(name).with_suffix("").as_posix())
    return PurePosixPath(without_suffix).name if is_apart else re.sub(r"(^|/)labels/", r"\1images/", without_suffix)


def _images(tree: Tree, *, is_apart: bool) -> dict[str, list[str]]:
    """Images by the key of their labels."""
    by_key: dict[str, list[str]] = {}
    for name in tree.names:
        path = PurePosixPath(name)
        if path.suffix.lower() in PICTURE_SUFFIXES:
            key = composed(path.stem if is_apart else path.with_suffix("").as_posix())
            by_key.setdefault(key, []).append(name)
    return by_key


def _polygons(tree: Tree, name: str, wanted: set[int], problems: Problems) -> list[Polygon] | None:
    """The person's polygons of a file; None, with a problem added, for lines that can't be drawn."""
    polygons: list[Polygon] = []
    for line in lines_of(text_of(tree.read(name), name)):
        if not line.strip():
            continue
        try:
            number, *corners = map(float, line.split())
        except ValueError:
            problems.add_broken("broken annotations", f"{name}: {line[:40]!r}")
            return None
        if number not in wanted:
            continue
        if len(corners) in _BOX_NUMBERS:
            problems.add_broken("images with a box that has no outline", name)
            return None
        if len(corners) < 6 or len(corners) % 2 or not all(math.isfinite(each) for each in corners):
            problems.add_broken("broken annotations", f"{name}: a polygon that isn't one of 3 or more corners")
            return None
        if max(corners) > 1 + _MOST_OUTSIDE or min(corners) < -_MOST_OUTSIDE:
            problems.add_broken("broken annotations", f"{name}: corners that are no shares of the sides")
            return None
        polygons.append(corners)
    return polygons


def _is_outside(polygon: Polygon) -> bool:
    x, y = polygon[0::2], polygon[1::2]
    return max(x) <= 0 or max(y) <= 0 or min(x) >= 1 or min(y) >= 1


def _draw(polygons: list[Polygon], tree: Tree, image: str) -> Pixels:
    """The union, uint8 (H, W) of the upright image."""
    height, width = upright_size(tree.read(image))
    sides = width, height
    scaled = [[number * sides[place % 2] for place, number in enumerate(polygon)] for polygon in polygons]
    return draw([[polygon] for polygon in scaled], height, width)
