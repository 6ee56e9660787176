"""COCO's JSON files: which of a directory hold masks, their images, and the directory that file names start from."""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.errors import UserError, listed
from manifests.imports.categories import chosen_labels
from manifests.imports.error_list import Problems
from manifests.imports.json_file import dicts, read_json, text
from manifests.pixels.images import MAX_MEGAPIXELS

logger = logging.getLogger(__name__)

NOT_STATED = "not stated"  # `export coco` writes this for no licence
ANNOTATIONS, IMAGES = "annotations", "images"  # COCO's own directories

_LISTS = ("images", "annotations", "categories")
_ROBOFLOW = "*/_annotations.coco.json"  # one in each split's directory
_INSTANCES, _SAME_IMAGES = "instances_", ("person_keypoints_", "stuff_")  # COCO's files on the same images


@dataclass(frozen=True, slots=True)
class CocoImage:
    """An image of the list."""

    file_name: str
    width: int
    height: int
    license: str | None
    attribution: str | None


@dataclass(frozen=True, slots=True)
class CocoFile:
    """A JSON file with the lists `images`, `annotations` and `categories`."""

    path: Path
    content: dict[str, Any]

    @property
    def annotations(self) -> list[dict[str, Any]]:
        return list(self.content["annotations"])

    @property
    def is_panoptic(self) -> bool:
        """Whether the annotations are those of COCO panoptic: a PNG an image, and segments in it."""
        return any("segments_info" in annotation for annotation in self.annotations)

    def category_ids(self, category: str) -> set[Any]:
        """The ids of the categories that `category` names; UserError when the file lacks one."""
        names = [str(entry.get("name")) for entry in self.content["categories"]]
        chosen = chosen_labels(category, names, self.path)
        return {
            key(entry.get("id")) for entry in self.content["categories"] if str(entry.get("name")).lower() in chosen
        }

    def images(self, problems: Problems) -> dict[Any, CocoImage]:
        """The images by id; adds unusable entries to `problems`."""
        licenses = {key(entry.get("id")): entry.get("name") for entry in dicts(self.content.get("licenses"))}
        images: dict[Any, CocoImage] = {}
        for entry in self.content["images"]:
            number = key(entry.get("id"))
            image = _image(entry, licenses)
            if image is None:
                problems.add("images without file_name, width or height", number)
            elif number in images:
                problems.add("image ids that occur twice", number)
            else:
                images[number] = image
        return images

    def image_root(self) -> Path:
        """The directory that file names start from, when none is given.

        The JSON's own, or the one beside it, or beside its `annotations/`, that holds the first image: `images`, or
        the end of the JSON's name as in `instances_val2017.json`.
        """
        first = next((str(entry.get("file_name")) for entry in self.content["images"]), "")
        roots = [self.path.parent, *([self.path.parent.parent] if self.path.parent.name == ANNOTATIONS else [])]
        split = self.path.stem.rpartition("_")[2]
        places = [place for root in roots for place in (root, root / IMAGES, root / split, root / IMAGES / split)]
        return next((place for place in places if _holds(place, first)), roots[0])


def coco_files(annotations: Path) -> Iterator[CocoFile]:
    """The file, or those of a directory, of `annotations/` in it or of its splits; a warning names those without masks.

    UserError without one, and for a file that isn't COCO's.
    """
    if not annotations.is_dir():
        yield CocoFile(annotations, _load(annotations))
        return
    places = (annotations.glob("*.json"), (annotations / ANNOTATIONS).glob("*.json"), annotations.glob(_ROBOFLOW))
    paths = next(filter(None, map(sorted, places)), [])
    if not paths:
        raise UserError(f"expected COCO annotations (*.json) in {annotations}, found none; pass the file")
    names = {path.name for path in paths}
    others = [path.name for path in paths if _repeats_instances(path.name, names)]
    files = []
    for path in paths:
        if path.name in others:
            continue
        content = read_json(path, "COCO annotations")
        if len(paths) > 1 and isinstance(content, dict) and not content.get("categories"):
            others.append(path.name)  # captions
        else:
            files.append(CocoFile(path, _checked(content, path)))
    if not files:
        raise UserError(f"expected COCO instances in {annotations}, found {listed('files without categories', others)}")
    if others:
        logger.warning("left out %s", listed("files without masks, or whose masks another file holds", others))
    yield from files


def key(value: Any) -> Any:
    """An id as a dict's key; None for a list or an object."""
    return value if isinstance(value, int | str | float) else None


def whole_number(value: Any) -> int | None:
    """72, 72.0 or "72" as an int; None for any other value."""
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    is_whole = type(value) is int or (type(value) is float and math.isfinite(value) and value.is_integer())
    return int(value) if is_whole else None


def _repeats_instances(name: str, names: set[str]) -> bool:
    return any(
        name.startswith(prefix) and f"{_INSTANCES}{name.removeprefix(prefix)}" in names for prefix in _SAME_IMAGES
    )


def _load(path: Path) -> dict[str, Any]:
    return _checked(read_json(path, "COCO annotations"), path)


def _checked(content: Any, path: Path) -> dict[str, Any]:
    """The JSON object with its three lists; UserError for anything else."""
    missing = [name for name in _LISTS if not isinstance(content, dict) or not _is_list_of_dicts(content.get(name))]
    if missing:
        raise UserError(f"expected COCO instances in {path}, found no list of objects named {', '.join(missing)}")
    return dict(content)


def _image(entry: dict[str, Any], licenses: dict[Any, Any]) -> CocoImage | None:
    name, width, height = entry.get("file_name"), whole_number(entry.get("width")), whole_number(entry.get("height"))
    if not isinstance(name, str) or not width or not height or min(width, height) < 1:
        return None
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        return None
    stated = licenses.get(key(entry.get("license")))
    return CocoImage(
        file_name=name,
        width=width,
        height=height,
        license=text(stated) if stated != NOT_STATED else None,
        attribution=text(entry.get("attribution")),
    )


def _holds(place: Path, name: str) -> bool:
    try:
        return bool(name) and (place / name).is_file()
    except (OSError, ValueError):  # too long for a name, a zero byte
        return False


def _is_list_of_dicts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)
