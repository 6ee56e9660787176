"""A person as annotations draw it: polygons and masks of one image, united, and why none of them can be a person."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from manifests.imports.drawn_person import Fault, all_faulty, outline_fault
from manifests.imports.formats.coco import draw
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import MAX_MEGAPIXELS
from manifests.pixels.masks import PERSON, Mask


@dataclass(slots=True)
class PersonDrawing:
    """The shapes of one image's person; ValueError for a size that no image has."""

    height: int
    width: int
    polygons: list[list[float]] = field(default_factory=list)  # x, y, x, y, ... in pixels
    masks: list[tuple[int, int, Mask]] = field(default_factory=list)  # left, top, bool (H, W)
    faults: list[Fault | None] = field(default_factory=list)  # of each shape

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or self.height * self.width > MAX_MEGAPIXELS * 1_000_000:
            raise ValueError(f"a size of {self.width}x{self.height}")

    def add_outline(self, corners: Sequence[tuple[float, float]]) -> None:
        """Add a polygon by its corners (x, y); ValueError for fewer than 3."""
        if len(corners) < 3:
            raise ValueError("a polygon that isn't one of 3 or more corners")
        self.polygons.append([number for corner in corners for number in corner])
        self.faults.append(outline_fault(corners, self.height, self.width))

    def check_place(self, left: int, top: int, width: int, height: int) -> None:
        """ValueError for a mask that has no pixel, or leaves the image."""
        is_inside = left + width <= self.width and top + height <= self.height
        if min(left, top) < 0 or min(width, height) < 1 or not is_inside:
            raise ValueError(f"a mask of {width}x{height} at {left},{top}, which leaves the image")

    def add_mask(self, left: int, top: int, part: Mask) -> None:
        """Add bool (H, W) with its corner at (left, top); ValueError when it leaves the image."""
        self.check_place(left, top, part.shape[1], part.shape[0])
        self.masks.append((left, top, part))
        self.faults.append(None)

    @property
    def fault(self) -> Fault | None:
        """Why no shape can be a person; None when one can."""
        return all_faulty(self.faults)

    def mask(self) -> Pixels:
        """The union, uint8 (height, width) of 0 and 255."""
        person = draw([[polygon] for polygon in self.polygons], self.height, self.width)
        for left, top, part in self.masks:
            person[top : top + part.shape[0], left : left + part.shape[1]][part] = PERSON
        return person
