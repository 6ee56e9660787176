"""The pixels in a report: the brightness of a sample of images, and tiles of portraits with their masks.

A picture that can't be read is counted and said, and the others are shown: a report of a damaged dataset is still one.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
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
from manifests.store.manifest import Manifest
from manifests.upkeep.stats import Statistics, printable

BRIGHTNESS_SAMPLE = 400  # pictures: the mean of their brightness is then known within about 4 of 255
GROUPS_DRAWN = 6
MEMBERS_DRAWN = 4  # of each group
STATUSES = ("accepted", "rejected", "conflict", "pending")

_BLOBS = ("image", "image_sha256", "mask", "mask_sha256")
_SAID = ("sample_id", "group_id", "source", "doubt", "reason")

Row = dict[str, Any]
Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class Looked:
    """Images a section asked for: how many, and one line for each that could not be read."""

    wanted: int
    problems: Sequence[str]

    @property
    def seen(self) -> int:
        return self.wanted - len(self.problems)


@dataclass(frozen=True, slots=True)
class Brightness:
    """The mean brightness of each sampled image, 0 (black) to 255 (luma of Rec. 601)."""

    looked: Looked
    means: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tile:
    """One portrait, everything but the person dimmed and the mask's edge drawn: RGB (H, W, 3), and words on it."""

    rgb: Pixels
    caption: str
    alt: str


@dataclass(frozen=True, slots=True)
class Tiles:
    """Portraits under one heading, out of `total`."""

    title: str
    total: int
    tiles: Sequence[Tile]
    looked: Looked


def brightness(manifest: Manifest, rows: int) -> Brightness:
    """The brightness of BRIGHTNESS_SAMPLE images, spread evenly over the version's rows."""
    chosen = manifest.take(spread(np.arange(rows), BRIGHTNESS_SAMPLE), _BLOBS[:2])
    blobs = BlobStore(manifest.data_root)

    def mean(row: Row) -> float:
        grey = cv2.cvtColor(read_image(blobs, row), cv2.COLOR_RGB2GRAY)
        return float(grey.mean())

    means, looked = _each(chosen, mean, "brightness")
    return Brightness(looked, np.array(means))


def portraits(numbers: Statistics, count: int) -> list[Tiles]:
    """For each status that occurs `count` samples, spread evenly over its rows."""
    codes, names = numbers.codes("status")
    sheets = []
    for status in sorted(set(names) & set(STATUSES), key=STATUSES.index):
        rows = np.flatnonzero(codes == names.index(status))
        if len(rows):
            tiles, looked = _tiles(numbers.manifest, spread(rows, count))
            sheets.append(Tiles(status, len(rows), tiles, looked))
    return sheets


def look_alikes(numbers: Statistics) -> list[Tiles]:
    """GROUPS_DRAWN near-duplicate groups, from the largest to the smallest of several samples; some members of each."""
    repeated = numbers.groups.repeated
    order = np.lexsort((np.arange(len(repeated)), -repeated.field("counts").to_numpy()))
    drawn = repeated.take(order[spread(np.arange(len(order)), GROUPS_DRAWN)]).to_pylist()
    ids = pa.array([group["values"] for group in drawn], pa.string())
    member_of = pc.index_in(numbers.manifest.read(["group_id"])["group_id"], value_set=ids)
    rows, which = pc.indices_nonzero(pc.is_valid(member_of)).to_numpy(), member_of.drop_null().to_numpy()
    sheets = []
    for index, group in enumerate(drawn):
        tiles, looked = _tiles(numbers.manifest, rows[which == index][:MEMBERS_DRAWN])
        sheets.append(Tiles(f"{group['counts']:,} samples", group["counts"], tiles, looked))
    return sheets


def spread(rows: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """At most `count` of the rows, evenly spread, the first among them; in their order."""
    count = min(count, len(rows))
    return rows[np.arange(count) * len(rows) // max(1, count)]


def _tiles(manifest: Manifest, rows: npt.NDArray[np.int64]) -> tuple[list[Tile], Looked]:
    blobs = BlobStore(manifest.data_root)

    def draw(row: Row) -> Tile:
        return Tile(
            tile(*read_pair(blobs, row)),
            _caption(row),
            f"Portrait {row['sample_id'][:8]} out of {printable(row['source'])}",
        )

    return _each(manifest.take(rows, (*_BLOBS, *_SAID)), draw, "portraits")


def _caption(row: Row) -> str:
    said = [] if row["doubt"] is None else [f"doubt {row['doubt']:.2f}"]
    return ", ".join([*said, *([printable(row["reason"])] if row["reason"] else [])])


def _each(table: pa.Table, look: Callable[[Row], Seen], what: str) -> tuple[list[Seen], Looked]:
    """Call `look` on every row, in threads; rows that raise UserError are counted and skipped."""

    def tried(row: Row) -> Seen | UserError:
        try:
            return look(row)
        except UserError as error:
            return error

    with ThreadPoolExecutor() as executor:
        outcomes = list(progress(executor.map(tried, table.to_pylist()), what, total=table.num_rows))
    problems = [str(outcome) for outcome in outcomes if isinstance(outcome, UserError)]
    return [seen for seen in outcomes if not isinstance(seen, UserError)], Looked(len(outcomes), problems)
