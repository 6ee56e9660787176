"""The labels of class masks: their colours and indices, and which are person.

`labelmap.txt` of CVAT and datumaro, `class_names.txt` of labelme2voc, and PASCAL VOC's own labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from manifests.errors import UserError
from manifests.imports.categories import chosen_labels, labels_in
from manifests.imports.safe_paths import lines_of
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON

Rgb = tuple[int, int, int]

VOC_LABELS = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
VOID_RGB = (224, 224, 192)
VOID_INDEX = 255

_IGNORED = "__ignore__"  # labelme2voc's name for 255


@dataclass(frozen=True, slots=True)
class LabelMap:
    """The labels' colours, in order, and the indices of the person's.

    `has_void`: masks of a single channel may hold VOC's void, 255.
    """

    colours: tuple[Rgb, ...]
    person: frozenset[int]
    has_void: bool = False

    def to_mask(self, image: Image.Image) -> Pixels:
        """A decoded class mask -> uint8 (H, W) of 0 and 255; ValueError for a colour that the map doesn't name."""
        if image.mode in ("1", "L"):
            indices = np.asarray(image).astype(np.uint8)
            values = np.unique(indices).tolist()
            if values == [0, PERSON]:
                raise ValueError("the values 0 and 255, not labels: such masks are for --format paired")
            self._check(values, [*range(len(self.colours)), *([VOID_INDEX] if self.has_void else [])], "value")
            return np.where(np.isin(indices, list(self.person)), PERSON, 0).astype(np.uint8)
        rgb = np.asarray(image.convert("RGB")).astype(np.int32)
        codes = _code(rgb[..., 0], rgb[..., 1], rgb[..., 2])
        known = [int(_code(*colour)) for colour in (*self.colours, VOID_RGB, (0, 0, 0))]
        self._check(np.unique(codes).tolist(), known, "colour")
        person = [int(_code(*self.colours[index])) for index in self.person]
        return np.where(np.isin(codes, person), PERSON, 0).astype(np.uint8)

    def _check(self, values: list[int], known: list[int], what: str) -> None:
        strange = sorted(set(values) - set(known))
        if strange:
            text = str(strange[0]) if what == "value" else ",".join(map(str, strange[0].to_bytes(3, "big")))
            raise ValueError(f"the {what} {text}, which the label map doesn't name")


def parse_label_map(text: str, category: str) -> LabelMap:
    """Parse labelmap.txt, lines of `label:r,g,b:parts:actions`; a line without a colour has VOC's of its place.

    UserError for other lines, or without the person's label.
    """
    colours: dict[str, Rgb] = {}
    without = 0
    for line in lines_of(text):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        label, colon, rest = line.partition(":")
        stated = rest.partition(":")[0].strip()
        numbers = stated.split(",")
        if colon and not stated:
            colours[label.strip()] = voc_colour(len(colours))
            without += 1
        elif len(numbers) != 3 or not all(number.strip().isdecimal() and int(number) < 256 for number in numbers):
            raise UserError(f"expected lines such as person:192,128,128:: in labelmap.txt, found {line[:80]!r}")
        else:
            colours[label.strip()] = (int(numbers[0]), int(numbers[1]), int(numbers[2]))
    chosen = chosen_labels(category, colours, "labelmap.txt", what="label")
    person = frozenset(index for index, label in enumerate(colours) if label.lower() in chosen)
    palette = tuple(colours.values())
    for index in sorted(person):
        colour = palette[index]
        others = [palette[other] for other in range(len(palette)) if other not in person]
        if colour in ((0, 0, 0), VOID_RGB) or colour in others:
            raise UserError(f"expected a colour of {list(colours)[index]}'s own in labelmap.txt, found {colour}")
    return LabelMap(palette, person, has_void=without == len(colours))


def voc_label_map(category: str, place: object) -> LabelMap:
    """PASCAL VOC's labels, for masks without a label map; UserError, with the map's `place`, for another label."""
    chosen = labels_in(category, VOC_LABELS)
    if not chosen:
        raise UserError(f"expected labelmap.txt with {category} in {place}, found none; VOC has no such label")
    return _by_index(VOC_LABELS, chosen)


def class_names(text: str, category: str, place: object) -> LabelMap:
    """The labels of class_names.txt, a name a line from the background's on, in VOC's colours."""
    labels = [name.strip().lower() for name in lines_of(text) if name.strip() and name.strip() != _IGNORED]
    chosen = chosen_labels(category, labels, place, what="label")
    twice = sorted(label for label in chosen if labels.count(label) > 1)
    if twice:
        raise UserError(f"expected the label {', '.join(twice)} once in {place}, found it twice; mend the file")
    if len(labels) > VOID_INDEX:
        raise UserError(f"expected at most {VOID_INDEX} labels in {place}, found {len(labels)}")
    return _by_index(labels, chosen)


def _by_index(labels: Sequence[str], chosen: frozenset[str]) -> LabelMap:
    person = frozenset(index for index, label in enumerate(labels) if label in chosen)
    return LabelMap(tuple(map(voc_colour, range(len(labels)))), person, has_void=True)


def voc_colour(index: int) -> Rgb:
    """The colour of a label in PASCAL VOC's palette: the index's bits spread over the channels, highest bit first."""
    channels = [0, 0, 0]
    for bit in range(8):
        channels[bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return channels[0], channels[1], channels[2]


def _code(red: np.ndarray | int, green: np.ndarray | int, blue: np.ndarray | int) -> np.ndarray | int:
    return red << 16 | green << 8 | blue
