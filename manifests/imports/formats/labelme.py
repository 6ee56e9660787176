"""labelme's JSON files -> trusted pairs: the person's polygons, masks and circles of an image, united into one mask.

One JSON an image, at any depth of a directory or zip, the image at its `imagePath`, in the directory given as images,
or inside the JSON (`imageData`). A polygon covers the pixels whose centre lies inside. Images without a shape of the
labels are left out and counted. One with a rectangle, a line or points of the label alone lacks a person: it is
`Broken`. Source: github.com/wkentaro/labelme, `labelme.utils.shape`.
"""

import base64
import binascii
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from manifests.errors import UserError
from manifests.files.json_text import parse_json
from manifests.imports.archive import Tree, open_tree
from manifests.imports.categories import chosen_labels
from manifests.imports.drawn_person import ellipse_outline, person_reader
from manifests.imports.error_list import Problems
from manifests.imports.formats.coco_files import whole_number
from manifests.imports.formats.person_drawing import PersonDrawing
from manifests.imports.ground_truth import LeftOut, TrustedPair, left_out
from manifests.imports.json_file import dicts, text
from manifests.imports.safe_paths import composed
from manifests.pixels.mask_values import mask_alpha

Json = dict[str, Any]

AREAS = ("polygon", "circle", "mask")


def read_labelme(annotations: Path, images: Path | None, category: str) -> list[TrustedPair | LeftOut]:
    """The images with a shape of the labels that `category` names, by name; then those without, and the broken ones.

    UserError listing every problem: images that are missing, two files on one image, JSON of another kind.
    """
    tree = open_tree(annotations)
    image_tree = open_tree(images) if images else tree
    problems = Problems()
    files = {name: content for name in tree.names if (content := _load(tree, name, problems))}
    if not files:
        problems.check(f"JSON files of labelme in {annotations}")
        raise UserError(f"expected JSON files of labelme in {annotations}, found none; check the path")
    known = sorted({str(shape.get("label")) for content in files.values() for shape in dicts(content["shapes"])})
    chosen = chosen_labels(category, known, annotations, what="label")
    stored = {composed(name): name for name in image_tree.names}
    pairs: dict[str, TrustedPair] = {}
    without: list[str] = []
    for name, content in files.items():
        shapes = [shape for shape in dicts(content["shapes"]) if str(shape.get("label")).lower() in chosen]
        if not shapes:
            without.append(name)
            continue
        drawing = _drawing(shapes, content, name, problems)
        image = _image_name(name, content, stored, is_beside=images is None)
        if drawing is None:
            continue
        if image is None and not content["has_data"]:
            problems.add(f"images that {images or annotations} doesn't hold", content.get("imagePath"))
            continue
        key = image or name
        if key in pairs:
            problems.add("images with two files", key)
        pairs[key] = TrustedPair(
            name=key,
            mask_name=name,
            uri=image_tree.uri(image) if image else tree.uri(name),
            read_image=partial(image_tree.read, image) if image else partial(_embedded, tree, name),
            read_mask=person_reader(drawing.mask, name, drawing.fault),
        )
    problems.check(f"sound JSON files of labelme in {annotations}", pairs=pairs)
    if not pairs:
        raise UserError(f"expected images with a {category} in {annotations}, found none; pass --category NAME")
    unmarked = left_out({f"files without a {category}": without})
    return [*(pairs[name] for name in sorted(pairs)), *unmarked, *problems.broken]


def _load(tree: Tree, name: str, problems: Problems) -> Json | None:
    """A labelme file without its pixels, `has_data` where it holds them; None for another file."""
    if PurePosixPath(name).suffix.lower() != ".json":
        return None
    try:
        content = parse_json(tree.read(name).decode("utf-8-sig"))
    except ValueError as error:
        problems.add("files that are no JSON in UTF-8", f"{name}: {error}")
        return None
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        problems.add("JSON files of another kind", name)
        return None
    return {**content, "imageData": None, "has_data": text(content.get("imageData")) is not None}


def _embedded(tree: Tree, name: str) -> bytes:
    """The image inside a labelme file; UserError when it can't be decoded."""
    try:
        return base64.b64decode(parse_json(tree.read(name))["imageData"], validate=True)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise UserError(f"expected an image in base64 as imageData of {name}, found {error}") from error


def _image_name(name: str, content: Json, stored: dict[str, str], *, is_beside: bool) -> str | None:
    """The image of a file among `stored` names: at its path from the JSON, else the only one of that name."""
    path = (text(content.get("imagePath")) or PurePosixPath(name).with_suffix(".jpg").name).replace("\\", "/")
    if is_beside:
        place = composed(_joined(PurePosixPath(name).parent, path))
        if place in stored:
            return stored[place]
    last = composed(PurePosixPath(path).name)
    ends = [each for key, each in stored.items() if key == last or key.endswith(f"/{last}")]
    return ends[0] if len(ends) == 1 else None


def _joined(folder: PurePosixPath, path: str) -> str:
    """`path` from `folder`, with `..` resolved inside the tree; a path that leaves it names nothing there."""
    parts = list(folder.parts)
    for part in PurePosixPath(path).parts:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/".join(parts)


def _drawing(shapes: list[Json], content: Json, name: str, problems: Problems) -> PersonDrawing | None:
    """The person's shapes; None, with a problem added, for shapes that can't be drawn."""
    height, width = whole_number(content.get("imageHeight")), whole_number(content.get("imageWidth"))
    odd = sorted({str(shape.get("shape_type")) for shape in shapes} - set(AREAS))
    if odd:
        problems.add_broken("images with shapes that are no area", f"{name}: {', '.join(odd)}")
        return None
    try:
        drawing = PersonDrawing(height or 0, width or 0)
        for shape in shapes:
            _ADD[shape["shape_type"]](drawing, shape)
    except (ValueError, TypeError, OverflowError) as error:
        problems.add_broken("broken annotations", f"{name}: {error}")
        return None
    return drawing


def _add_polygon(drawing: PersonDrawing, shape: Json) -> None:
    drawing.add_outline(_points(shape))


def _add_circle(drawing: PersonDrawing, shape: Json) -> None:
    points = _points(shape)
    if len(points) != 2:
        raise ValueError("a circle that isn't a centre and a point of its edge")
    (x, y), edge = points
    radius = math.dist(edge, (x, y))
    drawing.add_outline(ellipse_outline(x, y, radius, radius))


def _add_mask(drawing: PersonDrawing, shape: Json) -> None:
    points = _points(shape)
    if len(points) != 2 or not isinstance(shape.get("mask"), str):
        raise ValueError("a mask without two corners or without data")
    try:
        part = mask_alpha(base64.b64decode(shape["mask"], validate=True), "a mask", required=False) > 0
    except (binascii.Error, UserError) as error:
        raise ValueError(f"a mask that can't be read ({error})") from error
    left, top = (round(number) for number in points[0])
    drawing.add_mask(left, top, np.asarray(part))


_ADD: dict[str, Callable[[PersonDrawing, Json], None]] = {
    "polygon": _add_polygon,
    "circle": _add_circle,
    "mask": _add_mask,
}


def _points(shape: Json) -> list[tuple[float, float]]:
    """The points (x, y) of a shape; ValueError for unusable ones."""
    points = shape.get("points")
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise ValueError("a shape without points")
    if not all(type(number) in (int, float) and abs(number) < 1e6 for point in points for number in point):
        raise ValueError("a shape whose points aren't numbers")
    return [(float(x), float(y)) for x, y in points]
