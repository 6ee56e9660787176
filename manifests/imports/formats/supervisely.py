"""A Supervisely project -> trusted pairs: bitmaps, alpha masks and polygons of the person's classes in one mask.

    meta.json
    DATASET/ann/NAME.jpg.json
    DATASET/img/NAME.jpg

Polygons are drawn as Supervisely draws them: the pixels of the corners and of the edges belong to the person, those of
a hole's edges don't. Images without an object of the classes are left out and counted: the project doesn't state
whether they were checked for one. An image whose objects draw no pixel is skipped by name.
A directory or a zip. Source: github.com/supervisely/developer-portal, "Supervisely annotation format".
"""

import base64
import binascii
import zlib
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from manifests.errors import UserError, lines_on
from manifests.files.json_text import parse_json
from manifests.imports.archive import MAX_FILE_BYTES, Tree, open_tree
from manifests.imports.categories import chosen_labels
from manifests.imports.drawn_person import outline_fault, person_reader
from manifests.imports.ground_truth import LeftOut, TrustedPair, left_out
from manifests.imports.safe_paths import composed
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import MAX_MEGAPIXELS
from manifests.pixels.mask_values import mask_alpha
from manifests.pixels.masks import PERSON, Mask

Json = Any  # parsed, unchecked

_MAX_COORDINATE = 1e6


def read_supervisely(annotations: Path, images: Path | None, category: str) -> list[TrustedPair | LeftOut]:
    """The images that have an object of `category`, a class's title or several with commas between, by name.

    `images` holds the images of a project without them: in the same folders, or all in one. UserError listing every
    problem with the files; an image whose objects can't be drawn is skipped.
    """
    tree = open_tree(annotations)
    image_tree = open_tree(images) if images else tree
    names = {composed(name): name for name in image_tree.names}
    if "meta.json" not in tree.names:
        raise UserError(f"expected meta.json of a Supervisely project in {annotations}, found none; check the path")
    titles = _titles(_load(tree, "meta.json"), category, annotations)
    pairs: dict[str, TrustedPair] = {}
    without: list[str] = []
    problems: dict[str, list[str]] = {}
    for name in tree.names:
        path = PurePosixPath(name)
        if path.parent.name != "ann" or path.suffix != ".json":
            continue
        try:
            wanted = bool(_objects(_load(tree, name), titles))
        except UserError as error:
            problems.setdefault("unusable annotations", []).append(str(error))
            continue
        if not wanted:
            without.append(name)
            continue
        image = next((names[place] for place in map(composed, _places(path)) if place in names), None)
        if image is None:
            problems.setdefault("annotations without an image", []).append(name)
        elif image in pairs:
            problems.setdefault("second annotations of an image", []).append(name)
        else:
            pairs[image] = _pair(tree, name, image_tree, image, titles)
    if problems:
        found = "; ".join(lines_on(problems))
        raise UserError(f"expected an image for each annotation of {annotations}, found {found}")
    if not pairs:
        raise UserError(f"expected objects of {category} in {annotations}, found none; pass --category NAME")
    unmarked = left_out({f"annotations without an object of {category}": without})
    return [*(pairs[image] for image in sorted(pairs)), *unmarked]


def draw_objects(annotation: Json, titles: frozenset[str]) -> Pixels:
    """An annotation's objects of these classes -> uint8 (H, W); ValueError for objects without an area."""
    height, width = _size(annotation)
    person = np.zeros((height, width), np.uint8)
    for thing in _objects(annotation, titles):
        shape = thing.get("geometryType", "bitmap" if thing.get("bitmap") else "polygon")  # old exports have no type
        if shape in ("bitmap", "alpha_mask"):
            _draw_bitmap(person, thing.get("bitmap"), is_soft=shape == "alpha_mask")
        elif shape in ("polygon", "multipolygon"):
            for part in thing.get("parts", []) if shape == "multipolygon" else [thing.get("points")]:
                person[_polygon(part, height, width)] = PERSON
        else:
            raise ValueError(f"a {shape} of the class {thing['classTitle']}, which is no mask")
    return person


def decode_bitmap(text: str) -> Pixels:
    """The text of a bitmap's `data` (base64 of zlib of a PNG) -> opacity uint8 (H, W); ValueError for anything else.

    In a PNG without transparency the grey levels are the opacity.
    """
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), MAX_FILE_BYTES)
        return mask_alpha(data, "it", required=False)
    except (binascii.Error, zlib.error, UserError) as error:
        raise ValueError(f"a bitmap that can't be read ({error})") from error


def _draw_bitmap(person: Pixels, bitmap: Json, *, is_soft: bool) -> None:
    """Draw into `person`: a bitmap's opacity where it is soft, else every pixel that isn't transparent."""
    origin = bitmap.get("origin") if isinstance(bitmap, dict) else None
    if not isinstance(origin, list) or [type(number) for number in origin] != [int, int]:
        raise ValueError("a bitmap without an origin")
    if not isinstance(bitmap.get("data"), str):
        raise ValueError("a bitmap without data")
    opacity = decode_bitmap(bitmap["data"])
    part = opacity if is_soft else np.where(opacity > 0, PERSON, 0).astype(np.uint8)
    (x, y), (height, width) = origin, part.shape
    if x < 0 or y < 0 or y + height > person.shape[0] or x + width > person.shape[1]:
        raise ValueError(f"a bitmap of {width}x{height} at {x},{y}, which leaves the image")
    area = person[y : y + height, x : x + width]
    np.maximum(area, part, out=area)


def _polygon(points: Json, height: int, width: int) -> Mask:
    exterior, interior = (points.get(key) if isinstance(points, dict) else None for key in ("exterior", "interior"))
    corners = _corners(exterior)
    if fault := outline_fault(corners, height, width):
        raise ValueError(f"a polygon with {fault}")
    drawn = np.zeros((height, width), np.uint8)
    cv2.fillPoly(drawn, [corners], 1)
    for hole in interior or []:
        cv2.fillPoly(drawn, [_corners(hole)], 0)
    return drawn.astype(bool)


def _corners(points: Json) -> np.ndarray:
    """[[x, y], ...] -> int32 (N, 2); ValueError for anything else."""
    sound = isinstance(points, list) and len(points) >= 3
    if not sound or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise ValueError("a polygon that isn't one of 3 or more corners")
    if not all(type(number) in (int, float) and abs(number) < _MAX_COORDINATE for point in points for number in point):
        raise ValueError("a polygon whose corners aren't numbers")
    return np.rint(np.array(points, np.float64)).astype(np.int32)


def _pair(tree: Tree, name: str, image_tree: Tree, image: str, titles: frozenset[str]) -> TrustedPair:
    return TrustedPair(
        name=image,
        mask_name=name,
        uri=image_tree.uri(image),
        read_image=partial(image_tree.read, image),
        read_mask=person_reader(partial(_read_mask, tree, name, titles), name),
    )


def _read_mask(tree: Tree, name: str, titles: frozenset[str]) -> Pixels:
    try:
        return draw_objects(_load(tree, name), titles)
    except ValueError as error:
        raise UserError(f"expected bitmaps and polygons in {name}, found {error}") from error


def _places(annotation: PurePosixPath) -> list[str]:
    """Possible names of the image of DATASET/ann/NAME.jpg.json; old exports write NAME.json."""
    dataset, name = annotation.parent.parent, annotation.stem
    files = [name, *(f"{name}{suffix}" for suffix in (".jpg", ".jpeg", ".png", ".webp"))]
    places = (place for file in files for place in (dataset / "img" / file, dataset / file, PurePosixPath(file)))
    return [place.as_posix() for place in places]


def _titles(meta: Json, category: str, annotations: Path) -> frozenset[str]:
    """The classes' titles that `category` names, in lower case; UserError for one that the project doesn't have."""
    classes = meta.get("classes")
    known = [str(each.get("title")) for each in classes if isinstance(each, dict)] if isinstance(classes, list) else []
    return chosen_labels(category, known, f"meta.json of {annotations}", what="class")


def _objects(annotation: Json, titles: frozenset[str]) -> list[dict[str, Json]]:
    objects = annotation.get("objects")
    if not isinstance(objects, list):
        return []
    return [each for each in objects if isinstance(each, dict) and str(each.get("classTitle")).lower() in titles]


def _size(annotation: Json) -> tuple[int, int]:
    size = annotation.get("size")
    height, width = (size.get(key) if isinstance(size, dict) else None for key in ("height", "width"))
    if type(height) is not int or type(width) is not int or min(height, width) < 1:
        raise ValueError("no size of the image")
    if height * width > MAX_MEGAPIXELS * 1_000_000:
        raise ValueError(f"{width}x{height}, more than {MAX_MEGAPIXELS} megapixels")
    return height, width


def _load(tree: Tree, name: str) -> Json:
    """The JSON object of a file; UserError for anything else."""
    try:
        content = parse_json(tree.read(name))
    except ValueError as error:
        raise UserError(f"expected JSON in UTF-8 in {name}, found other bytes ({error})") from error
    if not isinstance(content, dict):
        raise UserError(f"expected a JSON object in {name}, found another value")
    return content
