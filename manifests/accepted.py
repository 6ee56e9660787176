"""The accepted rows of a version: what networks are fitted on, and measured against."""

from dataclasses import dataclass
from typing import Literal, get_args

import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.schema import Split
from manifests.store import Manifest

SplitOrAll = Split | Literal["all"]
SPLITS: tuple[str, ...] = (*get_args(Split), "all")


@dataclass(frozen=True, slots=True)
class AcceptedRow:
    """Where one accepted sample's pixels lie: blob paths and digests. `source` is the dataset's name."""

    image: str
    image_sha256: str
    mask: str
    mask_sha256: str
    source: str = ""


def accepted_rows(manifest: Manifest, split: SplitOrAll, *, trusted: bool = False) -> list[AcceptedRow]:
    """The accepted rows of one split, or of all, in the order of their sample ids.

    `trusted` leaves out those whose mask a teacher made: they can't be what teachers are measured against.
    """
    columns = ["image", "image_sha256", "mask", "mask_sha256", "source"]
    needed = ["origin"] if trusted else []
    table = manifest.read(["sample_id", "split", "status", *needed, *columns])
    table = table.filter(pc.field("status") == "accepted").sort_by("sample_id")
    if split != "all":
        table = table.filter(pc.field("split") == split)
    if trusted:
        table = table.filter(pc.field("origin") != "teacher")
    return [AcceptedRow(**row) for row in table.select(columns).to_pylist()]


def require_rows(manifest: Manifest, split: SplitOrAll, *, trusted: bool = False) -> list[AcceptedRow]:
    """As `accepted_rows`; UserError when there are none."""
    rows = accepted_rows(manifest, split, trusted=trusted)
    if not rows:
        where = "any split" if split == "all" else f"the {split} split"
        where += " whose mask no teacher made" if trusted else ""
        counts = ", ".join(f"{count} {what}" for what, count in manifest.counts.items())
        raise UserError(
            f"expected accepted rows in {where} of {manifest.path}, found none ({counts}); "
            "review or import more samples"
        )
    return rows
