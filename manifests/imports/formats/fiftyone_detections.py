"""FiftyOne's Detections with instance masks -> trusted pairs; and the arrays of its samples.json.

A detection's mask, an array or a file, covers its bounding box [x, y, width, height], in shares of the image's sides,
at any resolution.
"""

import base64
import io
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from manifests.errors import UserError
from manifests.imports.categories import labels_in, listing
from manifests.imports.drawn_person import person_reader
from manifests.imports.error_list import Problems
from manifests.imports.ground_truth import LeftOut, TrustedPair, left_out
from manifests.imports.json_file import dicts, text
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import read_file, source_uri
from manifests.pixels.images import MAX_MEGAPIXELS, upright_size
from manifests.pixels.mask_values import read_mask_values
from manifests.pixels.masks import PERSON

Document = dict[str, Any]
Bounds = tuple[float, float, float, float]  # x, y, width, height in shares of the sides
Part = tuple[Callable[[], Pixels], Bounds]

_MAX_ARRAY_BYTES = 8 * MAX_MEGAPIXELS * 1_000_000 + 1024  # of NumPy's largest integers, and the array's header


def read_detections(
    samples: list[Document], field: str, annotations: Path, root: Path, category: str
) -> list[TrustedPair | LeftOut]:
    """The samples with a detection of the labels that `category` names, by file name; then those left out.

    UserError listing every problem: images that are missing or lie outside, names listed twice.
    """
    known = {str(each.get("label")) for sample in samples for each in _detections(sample, field)}
    chosen = labels_in(category, known)
    if not chosen:
        raise UserError(
            f"expected detections of {category} in {annotations}, found {listing(known)}; pass --category NAME"
        )
    problems = Problems()
    pairs: dict[str, TrustedPair] = {}
    without: list[str] = []
    for number, sample in enumerate(samples, 1):
        name = text(sample.get("filepath"))
        if name is None:
            problems.add("samples without a filepath", sample.get("_id", number))
            continue
        things = [each for each in _detections(sample, field) if str(each.get("label")).lower() in chosen]
        image = problems.find(root, name) if things else None
        if not things:
            without.append(name)
        elif name in pairs:
            problems.add("images listed twice", name)
        elif any(not _has_mask(thing) or _box(thing) is None for thing in things):
            problems.add_broken("samples with a box that has no mask", name)
        elif image and (parts := _parts(things, root, problems, mask_name := f"{field} of {name}")):
            pairs[name] = TrustedPair(
                name=name,
                mask_name=mask_name,
                uri=source_uri(image),
                read_image=partial(read_file, image),
                read_mask=person_reader(partial(_draw, parts, image), mask_name),
                license=text(sample.get("license")),
                attribution=text(sample.get("attribution")),
            )
    problems.check(f"a sound FiftyOne dataset in {annotations}", pairs=pairs)
    unmarked = left_out({f"samples without a {category}": without})
    return [*(pairs[name] for name in sorted(pairs)), *unmarked, *problems.broken]


def encoded_array(label: Any) -> str | None:
    """An array in MongoDB's extended JSON, as base64; None without one."""
    binary = label.get("mask") if isinstance(label, dict) else None
    content = binary.get("$binary") if isinstance(binary, dict) else None
    return text(content.get("base64")) if isinstance(content, dict) else None


def decode_array(encoded: str, name: str) -> Pixels:
    """A NumPy file, deflated, as base64 -> uint8 (H, W); UserError for anything else."""
    try:
        packed = zlib.decompressobj()
        data = packed.decompress(base64.b64decode(encoded, validate=True), _MAX_ARRAY_BYTES)
        values = np.load(io.BytesIO(data), allow_pickle=False)
        if values.ndim != 2 or values.dtype.kind not in "bui" or values.min() < 0 or values.max() > 255:
            raise ValueError(f"{values.dtype} {values.shape}")
    except (ValueError, EOFError, MemoryError, zlib.error) as error:
        raise UserError(
            f"expected a mask (H, W) of 0..255 for {name}, found another or a damaged one ({error})"
        ) from error
    return values.astype(np.uint8)


def _parts(things: Sequence[Document], root: Path, problems: Problems, mask_name: str) -> list[Part]:
    """What reads each detection's mask, and its box; [], with a problem added, when a file of a mask is missing."""
    parts: list[Part] = []
    for thing in things:
        encoded, box = encoded_array(thing), _box(thing)
        file = None if encoded else problems.find(root, str(thing.get("mask_path")), what="masks")
        if box is None or (encoded is None and file is None):
            return []
        read = partial(read_mask_values, file) if file else partial(decode_array, str(encoded), mask_name)
        parts.append((read, box))
    return parts


def _draw(parts: Sequence[Part], image: Path) -> Pixels:
    """The union of the detections' masks, uint8 (H, W) of the upright image; UserError for a damaged one."""
    height, width = upright_size(read_file(image))
    person = np.zeros((height, width), np.uint8)
    for read, (x, y, box_width, box_height) in parts:
        part = read()
        left, top = round(x * width), round(y * height)
        right, bottom = min(width, round((x + box_width) * width)), min(height, round((y + box_height) * height))
        if right <= left or bottom <= top:
            continue
        size = right - left, bottom - top
        scaled = part if part.shape[::-1] == size else cv2.resize(part, size, interpolation=cv2.INTER_NEAREST)
        person[top:bottom, left:right][scaled > 0] = PERSON
    return person


def _has_mask(thing: Document) -> bool:
    return encoded_array(thing) is not None or text(thing.get("mask_path")) is not None


def _detections(sample: Document, field: str) -> list[Document]:
    value = sample.get(field)
    return dicts(value.get("detections")) if isinstance(value, dict) else []


def _box(thing: Document) -> Bounds | None:
    """The bounding box in shares of the sides; None for one that isn't inside 0..1."""
    box = thing.get("bounding_box")
    if not isinstance(box, list) or len(box) != 4 or not all(type(number) in (int, float) for number in box):
        return None
    x, y, width, height = map(float, box)
    return (x, y, width, height) if min(x, y, width, height) >= 0 and max(x + width, y + height) <= 1.01 else None
