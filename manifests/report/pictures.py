"""Pixels in a report: the brightness of sampled images, and tiles of portraits with their masks.

Images that can't be read are counted and reported; the others are shown.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.contact_sheet import tile
from manifests.pixels.geometry import Pixels
from manifests.progress import progress
from manifests.samples.pair import read_image, read_pair
from manifests.samples.slices import FACE_COLUMNS, Light, face_box, light
from manifests.store.manifest import Manifest
from manifests.upkeep.stats import Statistics, printable

BRIGHTNESS_SAMPLE = 400  # images: the error of their mean brightness is about 4 of 255
GROUPS_DRAWN = 6
MEMBERS_DRAWN = 4  # of each group
STATUSES = ("accepted", "rejected", "conflict", "pending")

_BLOBS = ("image", "image_sha256", "mask", "mask_sha256")
_CAPTIONED = ("sample_id", "group_id", "source", "doubt", "reason")

Row = dict[str, Any]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ReadImages:
    """The number of images to read, and a line for each that can't be read."""

    wanted: int
    problems: Sequence[str]

    @property
    def count(self) -> int:
        return self.wanted - len(self.problems)


@dataclass(frozen=True, slots=True)
class Brightness:
    """Sampled images: each one's mean luma (Rec. 601), 0 (black) to 255, and the light of its face, if known."""

    images: ReadImages
    means: npt.NDArray[np.float64]
    lights: Sequence[Light]


@dataclass(frozen=True, slots=True)
class Tile:
    """One portrait, with the background dimmed and the mask's edge drawn: RGB (H, W, 3), and its texts."""

    rgb: Pixels
    caption: str
    alt: str


@dataclass(frozen=True, slots=True)
class Tiles:
    """Portraits under one heading, out of `total`."""

    title: str
    total: int
    tiles: Sequence[Tile]
    images: ReadImages

    @property
    def rgbs(self) -> list[Pixels]:
        return [tile.rgb for tile in self.tiles]


def brightness(manifest: Manifest, rows: int) -> Brightness:
    """The brightness of BRIGHTNESS_SAMPLE images, spread evenly over the version's rows."""
    sampled = manifest.take(spread(np.arange(rows), BRIGHTNESS_SAMPLE), (*_BLOBS[:2], *FACE_COLUMNS))
    blobs = BlobStore(manifest.data_root)

    def measure(row: Row) -> tuple[float, Light]:
        rgb = read_image(blobs, row)
        return light(rgb, None).brightness, light(rgb, face_box(row, rgb))

    measured, images = _each(sampled, measure, "brightness")
    return Brightness(images, np.array([mean for mean, _ in measured]), [of_face for _, of_face in measured])


def portraits(numbers: Statistics, count: int) -> list[Tiles]:
    """`count` samples of each status that occurs, spread evenly over its rows."""
    codes, names = numbers.codes("status")
    sheets = []
    for status in sorted(set(names) & set(STATUSES), key=STATUSES.index):
        rows = np.flatnonzero(codes == names.index(status))
        if len(rows):
            tiles, images = _tiles(numbers.manifest, spread(rows, count))
            sheets.append(Tiles(status, len(rows), tiles, images))
    return sheets


def look_alikes(numbers: Statistics) -> list[Tiles]:
    """Members of GROUPS_DRAWN near-duplicate groups of several samples, spread from the largest to the smallest."""
    repeated = numbers.groups.repeated
    order = np.lexsort((np.arange(len(repeated)), -repeated.field("counts").to_numpy()))
    drawn = repeated.take(order[spread(np.arange(len(order)), GROUPS_DRAWN)]).to_pylist()
    ids = pa.array([group["values"] for group in drawn], pa.string())
    member_of = pc.index_in(numbers.manifest.read(["group_id"])["group_id"], value_set=ids)
    rows, which = pc.indices_nonzero(pc.is_valid(member_of)).to_numpy(), member_of.drop_null().to_numpy()
    sheets = []
    for index, group in enumerate(drawn):
        tiles, images = _tiles(numbers.manifest, rows[which == index][:MEMBERS_DRAWN])
        sheets.append(Tiles(f"{group['counts']:,} samples", group["counts"], tiles, images))
    return sheets


def spread(rows: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """At most `count` of the rows, evenly spread from the first on, in order."""
    count = min(count, len(rows))
    return rows[np.arange(count) * len(rows) // max(1, count)]


def _tiles(manifest: Manifest, rows: npt.NDArray[np.int64]) -> tuple[list[Tile], ReadImages]:
    blobs = BlobStore(manifest.data_root)

    def draw(row: Row) -> Tile:
        return Tile(
            tile(*read_pair(blobs, row)),
            _caption(row),
            f"Portrait {row['sample_id'][:8]} of {printable(row['source'])}",
        )

    return _each(manifest.take(rows, (*_BLOBS, *_CAPTIONED)), draw, "portraits")


def _caption(row: Row) -> str:
    doubt = [] if row["doubt"] is None else [f"doubt {row['doubt']:.2f}"]
    return ", ".join([*doubt, *([printable(row["reason"])] if row["reason"] else [])])


def _each(table: pa.Table, process: Callable[[Row], Result], what: str) -> tuple[list[Result], ReadImages]:
    """Call `process` on every row, in threads; rows that raise UserError are counted and skipped."""

    def tried(row: Row) -> Result | UserError:
        try:
            return process(row)
        except UserError as error:
            return error

    with ThreadPoolExecutor() as executor:
        outcomes = list(progress(executor.map(tried, table.to_pylist()), what, total=table.num_rows))
    problems = [str(outcome) for outcome in outcomes if isinstance(outcome, UserError)]
    results = [outcome for outcome in outcomes if not isinstance(outcome, UserError)]
    return results, ReadImages(len(outcomes), problems)
