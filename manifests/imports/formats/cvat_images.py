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
from manifests.files.xml_text import parse_xml
from manifests.imports.archive import Tree, open_tree
from manifests.imports.categories import chosen_labels
from manifests.imports.drawn_person import ellipse_outline, person_reader
from manifests.imports.error_list import Problems
from manifests.imports.formats.person_drawing import PersonDrawing
from manifests.imports.ground_truth import LeftOut, TrustedPair, left_out
from manifests.imports.safe_paths import composed, relative_name
from manifests.pixels.rle import decode_rle

FILE = "annotations.xml"
_AREAS = ("mask", "polygon", "ellipse")
_SHAPES = (*_AREAS, "box", "polyline", "points", "cuboid", "skeleton")


@dataclass(slots=True)
class _Image:
    """An image of the file, the shapes of the person's labels, and kinds of shapes that have no area."""

    name: str
    drawing: PersonDrawing
    without_area: list[str] = field(default_factory=list)

    @property
    def has_shapes(self) -> bool:
        return bool(self.drawing.faults or self.without_area)


def read_cvat_images(
    tree: Tree, file: str, annotations: Path, images: Path | None, category: str
) -> list[TrustedPair | LeftOut]:
    """The images with a shape of the labels that `category` names, by name; then those without, and the broken ones.

    `file` is the XML in `tree`, `annotations` the path for messages. UserError listing every problem: another XML file,
    images that are missing or listed twice.
    """
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
                read_mask=person_reader(image.drawing.mask, mask_name, image.drawing.fault),
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
    """Return the root of annotations.xml; UserError for other XML, a document type included, and for video tracks."""
    try:
        root = parse_xml(data)
    except ValueError as error:
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
        image = _Image(name, PersonDrawing(int(element.get("height") or 0), int(element.get("width") or 0)))
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
        image.drawing.check_place(left, top, width, height)
        counts = [int(count) for count in (shape.get("rle") or "").split(",")]
        part = decode_rle(counts, width, height).T  # CVAT runs along the rows, COCO down the columns
        image.drawing.add_mask(left, top, part)
    else:
        image.drawing.add_outline(_corners(shape))


def _corners(shape: ET.Element) -> list[tuple[float, float]]:
    """The corners (x, y) of a polygon, or of the outline of an ellipse; ValueError for unusable ones."""
    if shape.tag == "ellipse":
        x, y, x_radius, y_radius = (_number(shape.get(key)) for key in ("cx", "cy", "rx", "ry"))
        return ellipse_outline(x, y, x_radius, y_radius, _number(shape.get("rotation") or "0"))
    points = (shape.get("points") or "").split(";")
    return [(_number(x), _number(y)) for x, _, y in (point.partition(",") for point in points)]


def _number(text: str | None) -> float:
    value = float(text or "nan")
    if not abs(value) < 1e6:  # NaN isn't below either
        raise ValueError("a shape whose corners aren't numbers")
    return value
