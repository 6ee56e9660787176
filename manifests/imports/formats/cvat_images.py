"""CVAT "CVAT for images 1.1" -> trusted pairs: the person's masks, polygons and ellipses of an image, united.

`annotations.xml` in a directory or a zip, the images in `images/` beside it or in the directory given as images. A
polygon covers the pixels whose centre lies inside. Shapes of other labels that lie on top take nothing away. Images
without a shape of the labels are left out and counted. One with a box, a polyline or points of the label alone lacks a
person: it is `Broken`. Source: docs.cvat.ai, "CVAT for images 1.1".
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from manifests.errors import UserError
from manifests.imports.archive import Tree, open_tree, open_tree_with
from manifests.imports.categories import chosen_labels
from manifests.imports.drawn_person import Fault, all_faulty, ellipse_outline, outline_fault, person_reader
from manifests.imports.error_list import Problems
from manifests.imports.formats.coco import draw
from manifests.imports.ground_truth import LeftOut, TrustedPair, left_out
from manifests.imports.safe_paths import composed, relative_name
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import MAX_MEGAPIXELS
from manifests.pixels.masks import PERSON, Mask
from manifests.pixels.rle import decode_rle

_FILE = "annotations.xml"
_AREAS = ("mask", "polygon", "ellipse")
_SHAPES = (*_AREAS, "box", "polyline", "points", "cuboid", "skeleton")

Polygon = list[float]


@dataclass(slots=True)
class _Image:
    """An image of the file: its size, and the shapes of the person's labels."""

    name: str
    width: int
    height: int
    polygons: list[Polygon] = field(default_factory=list)
    masks: list[tuple[int, int, Mask]] = field(default_factory=list)  # left, top, bool (H, W)
    faults: list[Fault | None] = field(default_factory=list)
    without_area: list[str] = field(default_factory=list)

    def draw(self) -> Pixels:
        """The union, uint8 (height, width) of 0 and 255."""
        person = draw([[polygon] for polygon in self.polygons], self.height, self.width)
        for left, top, part in self.masks:
            height, width = part.shape
            person[top : top + height, left : left + width][part] = PERSON
        return person

    @property
    def has_shapes(self) -> bool:
        return bool(self.polygons or self.masks or self.without_area)


def images_xml(annotations: Path) -> bool:
    """Whether a directory or zip holds annotations.xml, or is that file."""
    if annotations.suffix == ".xml":
        return annotations.is_file()
    return annotations.exists() and _FILE in open_tree_with(annotations, _FILE).names


def read_cvat_images(annotations: Path, images: Path | None, category: str) -> list[TrustedPair | LeftOut]:
    """The images with a shape of the labels that `category` names, by name; then those without, and the broken ones.

    UserError listing every problem: another XML file, images that are missing or listed twice.
    """
    is_file = annotations.suffix == ".xml"
    tree = open_tree(annotations.parent) if is_file else open_tree_with(annotations, _FILE)
    file = annotations.name if is_file else _FILE
    image_tree = open_tree(images) if images else tree
    root = _parsed(tree.read(file), annotations)
    chosen = chosen_labels(category, _labels(root), annotations, what="label")
    problems = Problems()
    pairs: dict[str, TrustedPair] = {}
    without: list[str] = []
    found = _Names(image_tree)
    for element in root.iter("image"):
        image = _image(element, chosen, problems)
        if image is None:
            continue
        if not image.has_shapes:
            without.append(image.name)
            continue
        place = found.find(image.name)
        if image.name in pairs:
            problems.add("images listed twice", image.name)
        elif place is None:
            problems.add(f"images that {images or annotations} doesn't hold", image.name)
        elif image.without_area:
            kinds = ", ".join(sorted(set(image.without_area)))
            problems.add_broken("images with shapes that are no area", f"{image.name}: {kinds}")
        else:
            mask_name = f"annotations of {image.name}"
            pairs[image.name] = TrustedPair(
                name=image.name,
                mask_name=mask_name,
                uri=image_tree.uri(place),
                read_image=partial(image_tree.read, place),
                read_mask=person_reader(image.draw, mask_name, all_faulty(image.faults)),
            )
    problems.check(f"sound CVAT annotations in {annotations}", pairs=pairs)
    if not pairs:
        raise UserError(f"expected images with a {category} in {annotations}, found none; pass --category NAME")
    unmarked = left_out({f"images without a {category}": without})
    return [*(pairs[name] for name in sorted(pairs)), *unmarked, *problems.broken]


class _Names:
    """Files of a tree, found by an image's name: below `images/`, as it stands, or as the only one that ends so."""

    def __init__(self, tree: Tree) -> None:
        self._names = {composed(name): name for name in tree.names}

    def find(self, name: str) -> str | None:
        wanted = composed(relative_name(name))
        for place in (f"images/{wanted}", wanted):
            if place in self._names:
                return self._names[place]
        ends = [stored for key, stored in self._names.items() if key.endswith(f"/{PurePosixPath(wanted).name}")]
        return ends[0] if len(ends) == 1 else None


def _parsed(data: bytes, annotations: Path) -> ET.Element:
    """The root of annotations.xml; UserError for other XML, for video tracks, and for a document type (entities)."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise UserError(f"expected XML without a document type in {annotations}, found one; CVAT writes none")
    try:
        root = ET.fromstring(data)
    except ET.ParseError as error:
        raise UserError(
            f"expected annotations.xml of CVAT in {annotations}, found damage or no XML ({error})"
        ) from error
    if root.tag != "annotations":
        raise UserError(f"expected annotations.xml of CVAT in {annotations}, found the element {root.tag[:80]}")
    if root.find("track") is not None:
        raise UserError(f"expected images in {annotations}, found tracks of a video; export it as CVAT for images 1.1")
    return root


def _labels(root: ET.Element) -> list[str]:
    """The labels that the file's meta lists, and those of its shapes."""
    listed = [element.text or "" for element in root.findall("./meta//label/name")]
    used = [shape.get("label") or "" for image in root.iter("image") for shape in image if shape.tag in _SHAPES]
    return sorted({label for label in (*listed, *used) if label})


def _image(element: ET.Element, chosen: frozenset[str], problems: Problems) -> _Image | None:
    """An image with its shapes of the labels; None, with a problem added, for a broken one."""
    name = element.get("name") or ""
    try:
        relative_name(name)
        image = _Image(name, int(element.get("width") or 0), int(element.get("height") or 0))
        if min(image.width, image.height) < 1 or image.width * image.height > MAX_MEGAPIXELS * 1_000_000:
            raise ValueError(f"a size of {image.width}x{image.height}")
        for shape in element:
            if shape.tag in _SHAPES and (shape.get("label") or "").lower() in chosen:
                _add(image, shape)
    except UserError as error:
        problems.add("unusable file names", error)
    except (ValueError, OverflowError) as error:
        problems.add_broken("broken annotations", f"{name}: {error}")
    else:
        return image
    return None


def _add(image: _Image, shape: ET.Element) -> None:
    """Add a shape of the person's; ValueError for a broken one."""
    if shape.tag not in _AREAS:
        image.without_area.append(shape.tag)
    elif shape.tag == "mask":
        left, top, width, height = (int(shape.get(key) or -1) for key in ("left", "top", "width", "height"))
        if min(left, top) < 0 or min(width, height) < 1 or left + width > image.width or top + height > image.height:
            raise ValueError(f"a mask of {width}x{height} at {left},{top}, which leaves the image")
        counts = [int(count) for count in (shape.get("rle") or "").split(",")]
        part = decode_rle(counts, width, height).T  # CVAT runs along the rows, COCO down the columns
        image.masks.append((left, top, part))
        image.faults.append(None)
    else:
        corners = _corners(shape)
        image.polygons.append([number for corner in corners for number in corner])
        image.faults.append(outline_fault(corners, image.height, image.width))


def _corners(shape: ET.Element) -> list[tuple[float, float]]:
    """The corners (x, y) of a polygon, or of the outline of an ellipse; ValueError for unusable ones."""
    if shape.tag == "ellipse":
        x, y, x_radius, y_radius = (_number(shape.get(key)) for key in ("cx", "cy", "rx", "ry"))
        return ellipse_outline(x, y, x_radius, y_radius, _number(shape.get("rotation") or "0"))
    points = (shape.get("points") or "").split(";")
    if len(points) < 3:
        raise ValueError("a polygon that isn't one of 3 or more corners")
    return [(_number(x), _number(y)) for x, _, y in (point.partition(",") for point in points)]


def _number(text: str | None) -> float:
    value = float(text or "nan")
    if not abs(value) < 1e6:  # NaN isn't below either
        raise ValueError("a shape whose corners aren't numbers")
    return value
