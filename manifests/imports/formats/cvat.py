"""CVAT "Segmentation mask 1.1" and PASCAL VOC segmentation -> trusted pairs, from a directory or a zip.

`ImageSets/Segmentation/*.txt` list the names, `SegmentationClass/` holds the masks, `JPEGImages/` the images (CVAT
leaves them out by default: then they are in the directory given as images). `labelmap.txt` names the colours, or
`class_names.txt` the labels in order (labelme2voc); without both they are PASCAL VOC's. A mask in colours, or with a
palette, is read by colour; one of a single channel by index, in the label map's order. VOC's void (the outline) is
background.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from manifests.errors import UserError, lines_on
from manifests.imports.archive import Tree, open_tree
from manifests.imports.ground_truth import TrustedPair
from manifests.imports.safe_paths import composed, lines_of, relative_name, text_of
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import PICTURE_SUFFIXES
from manifests.pixels.mask_values import open_mask
from manifests.pixels.masks import PERSON

Rgb = tuple[int, int, int]

VOC_LABELS = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
VOID_RGB = (224, 224, 192)
VOID_INDEX = 255

_CLASS_NAMES = "class_names.txt"
_IGNORED = "__ignore__"  # labelme2voc's name for 255
_IMAGES, _MASKS, _LISTS = "JPEGImages/", "SegmentationClass/", "ImageSets/Segmentation/"


@dataclass(frozen=True, slots=True)
class LabelMap:
    """The labels' colours, in order, and the index of the person's.

    `has_void`: masks of a single channel may hold VOC's void, 255.
    """

    colours: tuple[Rgb, ...]
    person: int
    has_void: bool = False

    def to_mask(self, image: Image.Image) -> Pixels:
        """A decoded class mask -> uint8 (H, W) of 0 and 255; ValueError for a colour that the map doesn't name."""
        if image.mode in ("1", "L"):
            indices = np.asarray(image).astype(np.uint8)
            values = np.unique(indices).tolist()
            if values == [0, PERSON]:
                raise ValueError("the values 0 and 255, not labels: such masks are for --format paired")
            self._check(values, [*range(len(self.colours)), *([VOID_INDEX] if self.has_void else [])], "value")
            return np.where(indices == self.person, PERSON, 0).astype(np.uint8)
        rgb = np.asarray(image.convert("RGB")).astype(np.int32)
        codes = _code(rgb[..., 0], rgb[..., 1], rgb[..., 2])
        known = [int(_code(*colour)) for colour in (*self.colours, VOID_RGB, (0, 0, 0))]
        self._check(np.unique(codes).tolist(), known, "colour")
        return np.where(codes == _code(*self.colours[self.person]), PERSON, 0).astype(np.uint8)

    def _check(self, values: list[int], known: list[int], what: str) -> None:
        strange = sorted(set(values) - set(known))
        if strange:
            text = str(strange[0]) if what == "value" else ",".join(map(str, strange[0].to_bytes(3, "big")))
            raise ValueError(f"the {what} {text}, which the label map doesn't name")


def read_cvat(annotations: Path, images: Path | None, category: str) -> list[TrustedPair]:
    """The listed images of a directory or zip, in the order of their names; `category` is the label that is person.

    UserError naming all that is wrong: images and masks that are missing, names that leave the directory.
    """
    tree = open_tree(annotations)
    label_map = _label_map(tree, category, annotations)
    image_tree, prefix = (open_tree(images), "") if images else (tree, _IMAGES)
    names, outside = _listed_names(tree, annotations)
    image_of, two_images = _by_stem(image_tree, prefix, names)
    mask_of, two_masks = _by_stem(tree, _MASKS, names)
    problems = {
        "names that can't be used": outside,
        f"images that {images or annotations / _IMAGES} doesn't hold": [name for name in names if name not in image_of],
        f"masks that {annotations / _MASKS} doesn't hold": [name for name in names if name not in mask_of],
        "names that two images have": two_images,
        "names that two masks have": two_masks,
    }
    found = "; ".join(lines_on(problems))
    if found:
        raise UserError(f"expected an image and a mask for each name in {annotations / _LISTS}, found {found}")
    return [
        TrustedPair(
            name=PurePosixPath(image_of[name]).name,
            mask_name=PurePosixPath(mask_of[name]).name,
            uri=image_tree.uri(image_of[name]),
            read_image=partial(image_tree.read, image_of[name]),
            read_mask=partial(_read_mask, tree, mask_of[name], label_map),
            mask_file=partial(tree.read, mask_of[name]),
        )
        for name in names
    ]


def parse_label_map(text: str, person: str) -> LabelMap:
    """Parse labelmap.txt, lines of `label:r,g,b:parts:actions`; UserError for other lines, or without the person's."""
    colours: dict[str, Rgb] = {}
    for line in lines_of(text):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        label, _, rest = line.partition(":")
        numbers = rest.partition(":")[0].split(",")
        if len(numbers) != 3 or not all(number.strip().isdecimal() and int(number) < 256 for number in numbers):
            raise UserError(f"expected lines such as person:192,128,128:: in labelmap.txt, found {line[:80]!r}")
        colours[label.strip()] = (int(numbers[0]), int(numbers[1]), int(numbers[2]))
    person_labels = [label for label in colours if label.lower() == person.lower()]
    if not person_labels:
        labels = ", ".join(colours) or "none"
        raise UserError(f"expected the label {person} in labelmap.txt, found {labels}; pass --category NAME")
    colour = colours[person_labels[0]]
    if colour in ((0, 0, 0), VOID_RGB) or list(colours.values()).count(colour) > 1:
        raise UserError(f"expected a colour of {person}'s own in labelmap.txt, found {colour}")
    return LabelMap(tuple(colours.values()), list(colours).index(person_labels[0]))


def voc_colour(index: int) -> Rgb:
    """The colour of a label in PASCAL VOC's palette: the index's bits spread over the channels, highest bit first."""
    channels = [0, 0, 0]
    for bit in range(8):
        channels[bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return channels[0], channels[1], channels[2]


def _label_map(tree: Tree, category: str, annotations: Path) -> LabelMap:
    if "labelmap.txt" in tree.names:
        return parse_label_map(_text(tree, "labelmap.txt", annotations), category)
    if _CLASS_NAMES in tree.names:
        return _indexed_labels(lines_of(_text(tree, _CLASS_NAMES, annotations)), category, annotations)
    if category.lower() not in VOC_LABELS:
        raise UserError(f"expected labelmap.txt with {category} in {annotations}, found none; VOC has no such label")
    return LabelMap(tuple(map(voc_colour, range(len(VOC_LABELS)))), VOC_LABELS.index(category.lower()), has_void=True)


def _indexed_labels(names: list[str], category: str, annotations: Path) -> LabelMap:
    """The labels of class_names.txt, a name a line from the background's on, in VOC's colours."""
    labels = [name.strip().lower() for name in names if name.strip() and name.strip() != _IGNORED]
    if labels.count(category.lower()) != 1:
        raise UserError(
            f"expected the label {category} once in {annotations / _CLASS_NAMES}, found "
            f"{', '.join(labels[:12]) or 'none'}; pass --category NAME"
        )
    if len(labels) > VOID_INDEX:
        raise UserError(f"expected at most {VOID_INDEX} labels in {annotations / _CLASS_NAMES}, found {len(labels)}")
    return LabelMap(tuple(map(voc_colour, range(len(labels)))), labels.index(category.lower()), has_void=True)


def _listed_names(tree: Tree, annotations: Path) -> tuple[list[str], list[str]]:
    """The names of all lists, sorted, and errors of unusable ones; UserError without a list."""
    lists = [name for name in tree.names if name.startswith(_LISTS) and name.endswith(".txt")]
    if not lists:
        raise UserError(f"expected lists of names in {annotations / _LISTS}, found none; is this a class mask export?")
    names: set[str] = set()
    outside = []
    for file in lists:
        for line in lines_of(_text(tree, file, annotations)):
            name = line.strip().strip('"')  # CVAT quotes names with spaces
            if not name:
                continue
            try:
                names.add(composed(relative_name(name)))
            except UserError as error:
                outside.append(str(error))
    if not names and not outside:
        raise UserError(f"expected names in the lists of {annotations / _LISTS}, found none")
    return sorted(names), outside


def _by_stem(tree: Tree, prefix: str, listed_names: list[str]) -> tuple[dict[str, str], list[str]]:
    """Images under a prefix: name without prefix and suffix -> name, and the listed names that two images have."""
    by_stem: dict[str, str] = {}
    clashes = []
    wanted = set(listed_names)
    for name in tree.names:
        path = PurePosixPath(name)
        if not name.startswith(prefix) or path.suffix.lower() not in PICTURE_SUFFIXES:
            continue
        stem = composed(path.with_suffix("").as_posix().removeprefix(prefix))
        if by_stem.setdefault(stem, name) != name and stem in wanted:
            clashes.append(f"{stem}: {by_stem[stem]}, {name}")
    return by_stem, clashes


def _read_mask(tree: Tree, name: str, label_map: LabelMap) -> Pixels:
    image = open_mask(tree.read(name), name)
    try:
        return label_map.to_mask(image)
    except ValueError as error:
        raise UserError(f"expected a class mask, found {name} ({error})") from error


def _text(tree: Tree, name: str, annotations: Path) -> str:
    return text_of(tree.read(name), str(annotations / name))


def _code(red: np.ndarray | int, green: np.ndarray | int, blue: np.ndarray | int) -> np.ndarray | int:
    return red << 16 | green << 8 | blue
