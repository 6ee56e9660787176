"""Label Studio's JSON export -> trusted pairs: what a task's annotation marks with the label, united into one mask.

Of a task's annotations the one marked as ground truth counts, else the one changed last; cancelled ones never do. A
task that nobody has annotated has its last prediction. Brush strokes (an alpha of 128 and above is person) and
polygons are read. Tasks without a region of the label are left out: it isn't said that somebody looked for one.
"""

from collections import Counter, defaultdict
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from manifests.errors import UserError
from manifests.imports.error_list import Problems
from manifests.imports.formats.coco import check_segmentation, draw
from manifests.imports.ground_truth import TrustedPair
from manifests.imports.json_file import dicts, read_json, text
from manifests.pixels.brush_rle import decode_brush
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import PICTURE_SUFFIXES, source_uri
from manifests.pixels.images import MAX_MEGAPIXELS
from manifests.pixels.masks import PERSON

Region = dict[str, Any]  # an entry of an annotation's `result`

_TASKS = "tasks.json"
_LABELS = ("brushlabels", "polygonlabels", "labels")  # where a region's `value` names its labels


def read_label_studio(annotations: Path, images: Path | None, category: str) -> list[TrustedPair]:
    """The tasks that mark something with the label `category`, by their images' names.

    `annotations` is the JSON file, or a directory that holds it as tasks.json. `images` is the directory that Label
    Studio serves files from, or the one its uploads lie in; by default the JSON's own. UserError naming all that is
    wrong: images that are missing or lie outside, brush strokes that are cut off or of another size.
    """
    file = annotations / _TASKS if annotations.is_dir() else annotations
    root = images or file.parent
    if not root.is_dir():
        raise UserError(f"expected a directory of images at {root}, found none; check --images")
    problems = Problems()
    labels: Counter[str] = Counter()
    pairs = []
    seen: set[str] = set()
    for number, task in enumerate(_tasks(file), 1):
        regions = _labelled(_result(task), labels, category)
        name = _image_name(task["data"])
        if name is None:
            problems.add("tasks without an image", task.get("id", number))
        elif regions and (pair := _pair(task["data"], name, regions, root, problems)):
            if name in seen:
                problems.add("images listed twice", name)
            seen.add(name)
            pairs.append(pair)
    problems.check(f"sound Label Studio tasks in {file}")
    if not pairs:
        there = ", ".join(sorted(labels)[:12]) or "none"
        raise UserError(f"expected tasks labelled {category} in {file}, found the labels {there}; say --category NAME")
    return sorted(pairs, key=lambda pair: pair.name)


def draw_regions(regions: list[Region], height: int, width: int) -> Pixels:
    """Brush strokes and polygons -> their union, uint8 (height, width) of 0 and 255."""
    polygons = [[_polygon(region["value"], height, width)] for region in regions if "points" in region["value"]]
    person = draw(polygons, height, width) > 0
    for region in regions:
        if "rle" in region["value"]:
            person |= decode_brush(bytes(region["value"]["rle"]), height, width)
    return person.astype(np.uint8) * np.uint8(PERSON)


def _pair(data: dict[str, Any], name: str, regions: list[Region], root: Path, problems: Problems) -> TrustedPair | None:
    """The pair of a task's image and regions; None, and a problem named, when something is wrong with it."""
    path = problems.find(root, name)
    if path is None:
        return None
    try:
        height, width = _check(regions)
    except (ValueError, TypeError, OverflowError) as error:
        problems.add("broken annotations", f"{name}: {error}")
        return None
    return TrustedPair(
        name=name,
        mask_name=f"annotation of {name}",
        uri=source_uri(path),
        read_image=path.read_bytes,
        read_mask=partial(draw_regions, [_packed(region) for region in regions], height, width),
        license=text(data.get("license")),
        attribution=text(data.get("attribution")),
    )


def _check(regions: list[Region]) -> tuple[int, int]:
    """Height and width that the regions agree on; ValueError when `draw_regions` couldn't draw them."""
    sizes = {(region.get("original_height"), region.get("original_width")) for region in regions}
    height, width = sizes.pop()
    if sizes or type(height) is not int or type(width) is not int or min(height, width) < 1:
        raise ValueError("regions without one original_width and original_height")
    if height * width > MAX_MEGAPIXELS * 1_000_000:
        raise ValueError(f"{width}x{height}, more than {MAX_MEGAPIXELS} megapixels")
    for region in regions:
        value = region["value"]
        if "points" in value:
            check_segmentation([_polygon(value, height, width)], height, width)
        else:
            decode_brush(bytes(_numbers(value)), height, width)
    return height, width


def _packed(region: Region) -> Region:
    """A brush stroke's numbers as bytes: a list of them takes eight times the memory."""
    value = region["value"]
    return region if "points" in value else {**region, "value": {"rle": bytes(value["rle"])}}


def _numbers(value: dict[str, Any]) -> list[int]:
    rle = value.get("rle")
    if not isinstance(rle, list) or not all(type(number) is int and 0 <= number < 256 for number in rle):
        raise ValueError("a brush RLE that isn't a list of bytes")
    return rle


def _polygon(value: dict[str, Any], height: int, width: int) -> list[float]:
    """Corners in percent of the image -> x, y, x, y, ... in pixels."""
    return [float(part) * size / 100 for x, y in value["points"] for part, size in ((x, width), (y, height))]


def _tasks(file: Path) -> list[dict[str, Any]]:
    content = read_json(file, "Label Studio tasks")
    if not isinstance(content, list) or not content or not all(_is_task(task) for task in content):
        raise UserError(
            f"expected Label Studio tasks in {file}, found something else; export the project as JSON (not JSON-MIN)"
        )
    return content


def _is_task(task: Any) -> bool:
    return isinstance(task, dict) and isinstance(task.get("data"), dict)


def _result(task: dict[str, Any]) -> list[Region]:
    """The regions of the annotation that counts, or else of the last prediction."""
    annotations = [entry for entry in dicts(task.get("annotations")) if not entry.get("was_cancelled")]
    annotations.sort(key=lambda entry: (bool(entry.get("ground_truth")), str(entry.get("updated_at") or "")))
    chosen = (annotations or dicts(task.get("predictions")))[-1:]
    return [
        region for entry in chosen for region in dicts(entry.get("result")) if isinstance(region.get("value"), dict)
    ]


def _labelled(regions: list[Region], labels: Counter[str], category: str) -> list[Region]:
    """Brush strokes and polygons that have the label. It is their own, or another region's of the same id."""
    labels_of: dict[str, set[str]] = defaultdict(set)
    named = [(str(region.get("id", f"#{number}")), region) for number, region in enumerate(regions)]
    for name, region in named:
        for kind in _LABELS:
            stated = region["value"].get(kind)
            labels_of[name].update(map(str, stated) if isinstance(stated, list) else ())
    shapes = [(name, region) for name, region in named if "rle" in region["value"] or "points" in region["value"]]
    for name, _ in shapes:
        labels.update(labels_of[name])
    return [region for name, region in shapes if category.lower() in {label.lower() for label in labels_of[name]}]


def _image_name(data: dict[str, Any]) -> str | None:
    """The image's file name: of one served locally its path below the directory served, else the URL's last part."""
    for value in (data.get("image"), *data.values()):
        if not isinstance(value, str):
            continue
        url = urlsplit(value)
        served = parse_qs(url.query).get("d") if url.path.endswith("/local-files/") else None
        name = served[0] if served else PurePosixPath(unquote(url.path)).name
        if PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES:
            return name
    return None
