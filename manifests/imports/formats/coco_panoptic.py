"""COCO panoptic -> trusted pairs: the segments of a category in a PNG an image, whose colours are segment ids.

The id of a colour is R + 256 G + 65,536 B (cocodataset.org, format-data). The PNGs lie in a directory called as the
JSON without its suffix, beside it or beside the images, or beside the JSON itself.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from manifests.errors import UserError
from manifests.imports.error_list import Problems
from manifests.imports.formats.coco_files import CocoFile, CocoImage, key
from manifests.imports.ground_truth import TrustedPair
from manifests.imports.json_file import dicts, text
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import read_file, source_uri
from manifests.pixels.mask_values import open_mask
from manifests.pixels.masks import PERSON


def read_panoptic(file: CocoFile, root: Path, category: str, problems: Problems) -> tuple[list[TrustedPair], list[str]]:
    """The pairs of a panoptic file, and the names of images without the category; adds to `problems`."""
    wanted = file.category_ids(category)
    images = file.images(problems)
    masks = _mask_root(file, root)
    pairs: list[TrustedPair] = []
    without: list[str] = []
    for annotation in file.annotations:
        image = images.get(key(annotation.get("image_id")))
        mask_name = text(annotation.get("file_name"))
        if image is None or mask_name is None:
            problems.add("annotations without a listed image or a PNG", key(annotation.get("image_id")))
            continue
        segments = dicts(annotation.get("segments_info"))
        ids = frozenset(segment.get("id") for segment in segments if key(segment.get("category_id")) in wanted)
        if not ids:
            without.append(image.file_name)
        elif pair := _pair(image, ids, root, masks, mask_name, problems):
            pairs.append(pair)
    return pairs, without


def _pair(
    image: CocoImage, ids: frozenset[Any], root: Path, masks: Path, mask_name: str, problems: Problems
) -> TrustedPair | None:
    path, mask = problems.find(root, image.file_name), problems.find(masks, mask_name, what="masks")
    if not all(type(number) is int for number in ids):
        problems.add_broken("broken annotations", f"{image.file_name}: segment ids that are no numbers")
        return None
    if path is None or mask is None:
        return None
    return TrustedPair(
        name=image.file_name,
        mask_name=mask_name,
        uri=source_uri(path),
        read_image=partial(read_file, path),
        read_mask=partial(_read_mask, mask, ids),
        license=image.license,
        attribution=image.attribution,
        mask_file=partial(read_file, mask),
    )


def _read_mask(path: Path, ids: frozenset[int]) -> Pixels:
    """The segments' pixels, uint8 (H, W) of 0 and 255; UserError for a PNG without colours, or without one of them."""
    image = open_mask(read_file(path), str(path))
    if image.mode not in ("RGB", "RGBA"):
        raise UserError(f"expected segment ids as RGB colours in {path}, found the mode {image.mode}")
    rgb = np.asarray(image.convert("RGB")).astype(np.int64)
    numbers = rgb[..., 0] + 256 * rgb[..., 1] + 65_536 * rgb[..., 2]
    missing = ids - set(np.unique(numbers).tolist())
    if missing:
        raise UserError(f"expected the segments {', '.join(map(str, sorted(missing)))} in {path}, found none of them")
    return np.where(np.isin(numbers, list(ids)), PERSON, 0).astype(np.uint8)


def _mask_root(file: CocoFile, root: Path) -> Path:
    """The directory of the PNGs: called as the JSON, beside it or beside the images; else the JSON's own."""
    name = file.path.stem
    places = [file.path.parent / name, root / name, root.parent / name]
    return next((place for place in places if place.is_dir()), file.path.parent)
