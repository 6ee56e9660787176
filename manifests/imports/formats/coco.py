"""COCO instances -> trusted pairs: the person's polygons and RLEs of an image, united into one mask.

A polygon covers the pixels whose centre lies inside (COCO counts from the image's corner). Crowds count as person.
Images without an annotation of the category are left out and counted: COCO doesn't state whether they were checked for
one. An image whose annotations draw no pixel is skipped by name; an RLE with a stated area of 0 may be empty. One with
a box alone, or a damaged annotation, would lack a person: it is `Broken`. Panoptic files are read as well.
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
from manifests.imports.formats.coco_files import CocoFile, CocoImage, coco_files, key
from manifests.imports.formats.coco_panoptic import read_panoptic
from manifests.imports.ground_truth import LeftOut, TrustedPair, left_out
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import read_file, source_uri
from manifests.pixels.masks import PERSON, Mask
from manifests.pixels.rle import check_rle, decode_rle, decompress_counts

logger = logging.getLogger(__name__)

Segmentation = Any  # parsed JSON: a list of polygons, or an RLE


@dataclass(slots=True)
class _Marked:
    """An image with its annotations of the category."""

    image: CocoImage
    segmentations: list[Segmentation] = field(default_factory=list)
    faults: list[Fault | None] = field(default_factory=list)  # of each segmentation
    promises_a_person: bool = False
    has_box_alone: bool = False


def read_coco(annotations: Path, images: Path | None, category: str) -> list[TrustedPair | LeftOut]:
    """The images that `annotations` marks a `category` in, by file name; then those left out, and the broken ones.

    `annotations` is a JSON file, or a directory of them, in `annotations/` as well. `images` is the directory that file
    names start from, by default the JSON's own or the one beside it that holds its images. UserError listing every
    problem: images that lie outside, ids and images that occur twice, annotations of images that aren't listed.
    """
    problems = Problems()
    pairs: list[TrustedPair] = []
    without: list[str] = []
    for file in coco_files(annotations):
        root = images or file.image_root()
        if not root.is_dir():
            raise UserError(f"expected a directory of images at {root}, found none; check --images")
        read = read_panoptic if file.is_panoptic else _read_instances
        marked, unmarked = read(file, root, category, problems)
        pairs += marked
        without += unmarked
    seen: set[str] = set()
    for pair in pairs:
        if pair.name in seen:
            problems.add("images listed twice", pair.name)
        seen.add(pair.name)
    problems.check(f"sound COCO annotations in {annotations}", pairs=pairs)
    if not pairs:
        raise UserError(f"expected images with a {category} in {annotations}, found none; pass --category NAME")
    unmarked_images = left_out({f"images without a {category}": without})
    return [*sorted(pairs, key=lambda pair: pair.name), *unmarked_images, *problems.broken]


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


def _fault(segmentation: Segmentation, image: CocoImage) -> Fault | None:
    """Why no polygon of a segmentation can be a person's; None when one can, and for an RLE."""
    if isinstance(segmentation, dict):
        return None
    return all_faulty(outline_fault(polygon, image.height, image.width) for polygon in segmentation)


def _is_polygon(polygon: Any) -> bool:
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        return False
    return all(type(number) in (int, float) and abs(number) < 1e6 for number in polygon)  # NaN isn't below either


def _read_instances(
    file: CocoFile, root: Path, category: str, problems: Problems
) -> tuple[list[TrustedPair], list[str]]:
    """The pairs of a file of instances, and the names of images without the category; adds to `problems`."""
    wanted = file.category_ids(category)
    marked = {number: _Marked(image) for number, image in file.images(problems).items()}
    for annotation in file.annotations:
        if key(annotation.get("category_id")) not in wanted:
            continue
        owner = marked.get(key(annotation.get("image_id")))
        if owner is None:
            problems.add("annotations of images that aren't listed", key(annotation.get("id")))
        elif annotation.get("segmentation") in (None, []) and annotation.get("bbox"):
            owner.has_box_alone = True
        else:
            segmentation = annotation.get("segmentation")
            owner.segmentations.append(segmentation)
            owner.promises_a_person |= not (isinstance(segmentation, dict) and annotation.get("area") == 0)
    labelled = [each for each in marked.values() if each.segmentations or each.has_box_alone]
    pairs = [pair for each in labelled if (pair := _pair(each, root, problems))]
    _note_faults(labelled)
    return pairs, [
        each.image.file_name for each in marked.values() if not each.segmentations and not each.has_box_alone
    ]


def _pair(marked: _Marked, root: Path, problems: Problems) -> TrustedPair | None:
    """The pair of an image and its annotations; None, with a problem added, for a bad one."""
    image = marked.image
    path = problems.find(root, image.file_name)
    size = image.height, image.width
    if marked.has_box_alone:
        problems.add_broken("images with a box that has no outline", image.file_name)
        return None
    try:
        for segmentation in marked.segmentations:
            check_segmentation(segmentation, *size)
    except (ValueError, OverflowError) as error:
        problems.add_broken("broken annotations", f"{image.file_name}: {error}")
        return None
    if path is None:
        return None
    read, mask_name = partial(draw, marked.segmentations, *size), f"annotations of {image.file_name}"
    marked.faults = [_fault(segmentation, image) for segmentation in marked.segmentations]
    fault = next((fault for fault in marked.faults if fault == NORMALISED), all_faulty(marked.faults))
    return TrustedPair(
        name=image.file_name,
        mask_name=mask_name,
        uri=source_uri(path),
        read_image=partial(read_file, path),
        read_mask=person_reader(read, mask_name, fault) if marked.promises_a_person else read,
        license=image.license,
        attribution=image.attribution,
    )


def _note_faults(images: list[_Marked]) -> None:
    """Log a warning that lists images with an annotation that draws nothing beside others that draw a person."""
    partly = [
        f"{marked.image.file_name}: {next(filter(None, marked.faults))}"
        for marked in images
        if any(marked.faults) and not all(marked.faults)
    ]
    if partly:
        logger.warning("%s", listed("images with an annotation that draws nothing beside others", partly))
