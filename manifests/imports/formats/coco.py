"""COCO instances -> trusted pairs: the person's polygons and RLEs of an image, united into one mask.

A polygon covers the pixels whose centre lies inside (COCO counts from the image's corner). Crowds count as person.
Images without an annotation of the category are left out and counted: COCO doesn't state whether they were checked for
one. An image whose annotations draw no pixel is skipped by name; an RLE with a stated area of 0 may be empty.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from skimage.draw import polygon2mask

from manifests.errors import UserError, listed
from manifests.imports.drawn_person import NORMALISED, Fault, all_faulty, outline_fault, person_reader
from manifests.imports.error_list import Problems
from manifests.imports.ground_truth import LeftOut, TrustedPair, left_out
from manifests.imports.json_file import dicts, read_json, text
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import read_file, source_uri
from manifests.pixels.images import MAX_MEGAPIXELS
from manifests.pixels.masks import PERSON, Mask
from manifests.pixels.rle import check_rle, decode_rle, decompress_counts

logger = logging.getLogger(__name__)

NOT_STATED = "not stated"  # `export coco` writes this for no licence

Segmentation = Any  # parsed JSON: a list of polygons, or an RLE


@dataclass(slots=True)
class _Image:
    """An image of the list, with its annotations of the category."""

    file_name: str
    width: int
    height: int
    license: str | None
    attribution: str | None
    segmentations: list[Segmentation] = field(default_factory=list)
    faults: list[Fault | None] = field(default_factory=list)  # of each segmentation
    promises_a_person: bool = False


def read_coco(annotations: Path, images: Path | None, category: str) -> list[TrustedPair | LeftOut]:
    """The images that `annotations` (a JSON file, or a directory of them) marks a `category` in, by file name.

    Then the images without one, as left out. `images` is the directory that file names start from, by default the
    annotations' own. UserError listing every problem: images that are missing or lie outside, RLEs of the wrong length,
    broken polygons.
    """
    files = sorted(annotations.glob("*.json")) if annotations.is_dir() else [annotations]
    if not files:
        raise UserError(f"expected COCO annotations (*.json) in {annotations}, found none; pass the file")
    root = images or (annotations if annotations.is_dir() else annotations.parent)
    if not root.is_dir():
        raise UserError(f"expected a directory of images at {root}, found none; check --images")
    problems = Problems()
    listed_images = [image for file in files for image in _images(file, category, problems)]
    marked = [image for image in listed_images if image.segmentations]
    seen: set[str] = set()
    for image in marked:
        if image.file_name in seen:
            problems.add("images listed twice", image.file_name)
        seen.add(image.file_name)
    pairs = [pair for image in marked if (pair := _pair(image, root, problems))]
    problems.check(f"sound COCO annotations in {annotations}")
    if not pairs:
        raise UserError(f"expected images with a {category} in {annotations}, found none; pass --category NAME")
    _note_faults(marked)
    without = [image.file_name for image in listed_images if not image.segmentations]
    return [*sorted(pairs, key=lambda pair: pair.name), *left_out({f"images without a {category}": without})]


def draw(segmentations: list[Segmentation], height: int, width: int) -> Pixels:
    """Polygons and RLEs -> their union, uint8 (height, width) of 0 and 255; ValueError for anything else."""
    person = np.zeros((height, width), bool)
    for segmentation in segmentations:
        for part in _parts(segmentation, height, width):
            person |= part
    return person.astype(np.uint8) * np.uint8(PERSON)


def _parts(segmentation: Segmentation, height: int, width: int) -> Iterator[Mask]:
    if isinstance(segmentation, dict):
        yield decode_rle(_counts(segmentation, height, width), height, width)
        return
    for polygon in segmentation:
        corners = np.array(polygon, np.float64).reshape(-1, 2)[:, ::-1]  # (x, y) -> (row, column)
        yield polygon2mask((height, width), corners - 0.5)  # pixel 0 has its centre at 0.5


def _counts(rle: dict[str, Any], height: int, width: int) -> Any:
    """The counts of an RLE; ValueError when it isn't that of a mask (height, width)."""
    if rle.get("size") != [height, width]:
        raise ValueError(f"RLE of size {rle.get('size')} for {width}x{height}")
    counts = rle.get("counts")
    if isinstance(counts, str):
        counts = decompress_counts(counts)
    elif not isinstance(counts, list) or not all(type(count) is int for count in counts):
        raise ValueError("RLE without counts")
    return counts


def check_segmentation(segmentation: Segmentation, height: int, width: int) -> None:
    """ValueError when `draw` can't draw it."""
    if isinstance(segmentation, dict):
        check_rle(_counts(segmentation, height, width), height, width)
    elif not isinstance(segmentation, list) or not segmentation:
        raise ValueError("no segmentation")
    elif not all(_is_polygon(polygon) for polygon in segmentation):
        raise ValueError("a polygon that isn't one of 3 or more corners")


def _fault(segmentation: Segmentation, image: _Image) -> Fault | None:
    """Why no polygon of a segmentation can be a person's; None when one can, and for an RLE."""
    if isinstance(segmentation, dict):
        return None
    return all_faulty(outline_fault(polygon, image.height, image.width) for polygon in segmentation)


def _note_faults(images: list[_Image]) -> None:
    """Log a warning that lists images with an annotation that draws nothing beside others that draw a person."""
    partly = [
        f"{image.file_name}: {next(filter(None, image.faults))}"
        for image in images
        if any(image.faults) and not all(image.faults)
    ]
    if partly:
        logger.warning("%s", listed("images with an annotation that draws nothing beside others", partly))


def _is_polygon(polygon: Any) -> bool:
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        return False
    return all(type(number) in (int, float) and abs(number) < 1e6 for number in polygon)  # NaN isn't below either


def _pair(image: _Image, root: Path, problems: Problems) -> TrustedPair | None:
    """The pair of an image and its annotations; None, with a problem added, for a bad one."""
    path = problems.find(root, image.file_name)
    if path is None:
        return None
    size = image.height, image.width
    try:
        for segmentation in image.segmentations:
            check_segmentation(segmentation, *size)
    except (ValueError, OverflowError) as error:
        problems.add("broken annotations", f"{image.file_name}: {error}")
        return None
    read, mask_name = partial(draw, image.segmentations, *size), f"annotations of {image.file_name}"
    image.faults = [_fault(segmentation, image) for segmentation in image.segmentations]
    fault = next((fault for fault in image.faults if fault == NORMALISED), all_faulty(image.faults))
    return TrustedPair(
        name=image.file_name,
        mask_name=mask_name,
        uri=source_uri(path),
        read_image=partial(read_file, path),
        read_mask=person_reader(read, mask_name, fault) if image.promises_a_person else read,
        license=image.license,
        attribution=image.attribution,
    )


def _images(file: Path, category: str, problems: Problems) -> list[_Image]:
    """The images of one JSON file, with their annotations of the category; adds to `problems`."""
    content = _load(file)
    wanted = _category_ids(content["categories"], category, file)
    licenses = {_key(entry.get("id")): entry.get("name") for entry in dicts(content.get("licenses"))}
    images: dict[Any, _Image] = {}
    for entry in content["images"]:
        image = _image(entry, licenses)
        if image is None:
            problems.add("images without file_name, width or height", _key(entry.get("id")))
        elif _key(entry.get("id")) in images:
            problems.add("image ids that occur twice", _key(entry.get("id")))
        else:
            images[_key(entry.get("id"))] = image
    for annotation in content["annotations"]:
        if _key(annotation.get("category_id")) not in wanted:
            continue
        owner = images.get(_key(annotation.get("image_id")))
        if owner is None:
            problems.add("annotations of images that aren't listed", _key(annotation.get("id")))
        else:
            segmentation = annotation.get("segmentation")
            owner.segmentations.append(segmentation)
            owner.promises_a_person |= not (isinstance(segmentation, dict) and annotation.get("area") == 0)
    return list(images.values())


def _load(file: Path) -> dict[str, Any]:
    """The JSON object with its three lists; UserError for anything else."""
    content = read_json(file, "COCO annotations")
    keys = ("images", "annotations", "categories")
    missing = [key for key in keys if not isinstance(content, dict) or not _is_list_of_dicts(content.get(key))]
    if missing:
        raise UserError(f"expected COCO instances in {file}, found no list of objects named {', '.join(missing)}")
    return dict(content)


def _category_ids(categories: list[dict[str, Any]], name: str, file: Path) -> set[Any]:
    ids = {_key(entry.get("id")) for entry in categories if str(entry.get("name")).lower() == name.lower()}
    if not ids:
        known = ", ".join(sorted(str(entry.get("name")) for entry in categories)[:12]) or "none"
        raise UserError(f"expected the category {name} in {file}, found {known}; pass --category NAME")
    return ids


def _image(entry: dict[str, Any], licenses: dict[Any, Any]) -> _Image | None:
    name, width, height = (entry.get(key) for key in ("file_name", "width", "height"))
    if not isinstance(name, str) or type(width) is not int or type(height) is not int or min(width, height) < 1:
        return None
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        return None
    stated = licenses.get(_key(entry.get("license")))
    return _Image(
        file_name=name,
        width=width,
        height=height,
        license=text(stated) if stated != NOT_STATED else None,
        attribution=text(entry.get("attribution")),
    )


def _key(value: Any) -> Any:
    """An id as a dict's key; None for a list or an object."""
    return value if isinstance(value, int | str | float) else None


def _is_list_of_dicts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)
