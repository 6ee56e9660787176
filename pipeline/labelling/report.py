"""Report of a run: counts, a Markdown page, and a contact sheet of masks; independent of Prefect.

The sheet shows people's faces. It is a file under the data root; the page embeds a small copy of it only when it stays
on this machine.
"""

import base64
import io
import ipaddress
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from manifests.files.atomic import write_replace
from manifests.files.blobs import BlobStore
from manifests.files.storage import place
from manifests.pixels.contact_sheet import TILE_PX, contact_sheet
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import encode_jpeg
from manifests.samples.pair import read_image, read_mask
from manifests.store.manifest import Manifest
from pipeline.labelling.commit import Generated
from pipeline.labelling.shards import ShardResult, read_columns, read_quarantine, run_digest

SHEET_SAMPLES = 24  # three rows: the most doubtful half, and a spread of the rest
EMBEDDED_WIDTH_PX = 920  # half the sheet's width
EMBEDDED_LIMIT_BYTES = 300_000  # of base64: Prefect keeps it in its database, and every view of the page loads it
EMBEDDED_QUALITY = 75

_SAMPLE_COLUMNS = ("sample_id", "teacher", "doubt", "image", "image_sha256", "mask", "mask_sha256")


@dataclass(frozen=True, slots=True)
class Labelled:
    """The finished shards of a run: results in order, the number of images in each, and the time taken."""

    results: Sequence[ShardResult]
    pictures: Sequence[int]
    seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Numbers of a finished run; an image may hold several samples, one per face."""

    manifest: str
    teacher: str | None
    pictures: int
    samples: int
    samples_added: int
    samples_left_out: int  # they look like others in two splits
    statuses: Mapping[str, int]  # samples of this run, by status in the version
    reasons: Mapping[str, int]  # images in quarantine
    shards: int
    shards_resumed: int
    pictures_now: int  # in shards that no earlier run had finished
    seconds: float

    @property
    def pictures_per_second(self) -> float | None:
        """None when this run labelled nothing."""
        return self.pictures_now / self.seconds if self.pictures_now and self.seconds > 0 else None


def summarise(labelled: Labelled, generated: Generated) -> Summary:
    """Collect the numbers of a run whose version is written."""
    samples = read_columns(labelled.results, ["sample_id", "teacher"])
    teachers = pc.unique(samples["teacher"]).drop_null().to_pylist()
    return Summary(
        manifest=str(place(generated.manifest).resolve()),
        teacher=", ".join(teachers) or None,
        pictures=sum(labelled.pictures),
        samples=generated.samples,
        samples_added=generated.samples_added,
        samples_left_out=generated.left_out,
        statuses=_statuses(samples["sample_id"], Manifest.open(generated.manifest)),
        reasons=dict(Counter(str(row["reason"]) for row in read_quarantine(labelled.results)).most_common()),
        shards=len(labelled.results),
        shards_resumed=sum(result.resumed for result in labelled.results),
        pictures_now=sum(
            count for count, result in zip(labelled.pictures, labelled.results, strict=True) if not result.resumed
        ),
        seconds=labelled.seconds,
    )


def counts_table(summary: Summary) -> list[dict[str, Any]]:
    """The counts as rows of a table: `of`, `which`, `count`."""
    rows = [
        ("images", "all", summary.pictures),
        *(("images in quarantine", reason, count) for reason, count in summary.reasons.items()),
        ("samples", "all", summary.samples),
        ("samples", "new in the dataset", summary.samples_added),
        ("samples", "left out: they look like others in two splits", summary.samples_left_out),
        *(("samples by status", status, count) for status, count in summary.statuses.items()),
        ("shards", "all", summary.shards),
        ("shards", "resumed: finished by an earlier run", summary.shards_resumed),
    ]
    return [{"of": of, "which": which, "count": count} for of, which, count in rows]


def chosen(doubts: Sequence[float], count: int = SHEET_SAMPLES) -> list[int]:
    """Indices of at most `count`: the most doubtful half, then a spread of the rest; each from much to little doubt."""
    order = sorted(range(len(doubts)), key=lambda index: -doubts[index])
    worst, rest = order[: count // 2], order[count // 2 :]
    spread = min(len(rest), count - len(worst))
    return worst + [rest[(2 * step + 1) * len(rest) // (2 * spread)] for step in range(spread)]


def masks_sheet(results: Sequence[ShardResult], blobs: BlobStore) -> Pixels:
    """RGB sheet of the `chosen` masks as this run made them, each with its doubt; BlobError where a blob is missing."""
    samples = read_columns(results, _SAMPLE_COLUMNS)
    rows = samples.take(chosen(pc.fill_null(samples["doubt"], 0.0).to_pylist())).to_pylist()
    pairs = [(_shrunk(read_image(blobs, row)), _shrunk(read_mask(blobs, row))) for row in rows]
    return contact_sheet(pairs, captions=[f"{row['doubt'] or 0.0:.2f}" for row in rows])


def write_sheet(sheet: Pixels, results: Sequence[ShardResult], data_root: Path) -> Path:
    """Write the sheet as a JPEG to `sheet_path`, and return that."""
    path = sheet_path(results, data_root)
    write_replace(path, encode_jpeg(sheet))
    return path


def sheet_path(results: Sequence[ShardResult], data_root: Path) -> Path:
    """Path of a run's sheet under the data root, named by the shards: a rerun has the same."""
    return data_root / "reports" / f"{run_digest(results)}.jpg"


def data_url(sheet: Pixels, limit_bytes: int = EMBEDDED_LIMIT_BYTES) -> str | None:
    """A small copy of the sheet for a Markdown page; None when even that is larger than the limit."""
    image = Image.fromarray(sheet)
    image.thumbnail((EMBEDDED_WIDTH_PX, EMBEDDED_WIDTH_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=EMBEDDED_QUALITY)
    url = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return url if len(url) <= limit_bytes else None


def stays_here(api_url: str | None) -> bool:
    """Whether this Prefect API is on this machine; without a URL the flow starts a local server."""
    if api_url is None:
        return True
    host = urlsplit(api_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def page(summary: Summary, sheet: Path, embedded: str | None) -> str:
    """The report as Markdown; `embedded` is the data URL of a small sheet, None where none may be shown."""
    rate = summary.pictures_per_second
    speed = f"{rate:.3g} images per second" if rate else "nothing to measure, all shards were finished before"
    known = summary.samples - summary.samples_added - summary.samples_left_out
    embedding = f"![Contact sheet of masks]({embedded})" if embedded else "It is not embedded here: open the file."
    return f"""# {summary.samples:,} portraits from {summary.pictures:,} images

- Version: {_code(summary.manifest)}; {summary.samples_added:,} portraits are new, {known:,} were in the dataset already
  and keep their masks there, {summary.samples_left_out:,} look like others in two splits and are left out
- Teacher: {_code(summary.teacher) if summary.teacher else "none: cropped ground-truth masks"}
- Shards: {summary.shards:,}, of them {summary.shards_resumed:,} finished by an earlier run
- Speed: {speed} ({summary.pictures_now:,} images labelled in {summary.seconds:,.0f} s)

## Portraits by status

{_table("status", "portraits", summary.statuses)}

## Images that can't be used

{_table("reason", "images", summary.reasons) if summary.reasons else "None."}

## Contact sheet

**This sheet shows people's faces**: show it only to people who may see the photographs.
The {SHEET_SAMPLES // 2} masks most likely to be rejected, then a spread of the rest, each with its doubt:
{_code(str(sheet))}

{embedding}
"""


def _statuses(rows: pa.ChunkedArray, manifest: Manifest) -> dict[str, int]:
    """Number of the samples by their status in the version, which holds them all; `rows` are ids, a copy's twice."""
    version = manifest.read(["sample_id", "status"])
    sample_ids = pc.unique(rows)
    status = version["status"].take(pc.index_in(sample_ids, value_set=version["sample_id"]))
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(status).to_pylist()}


def _shrunk(pixels: Pixels) -> Pixels:
    """Shrink a larger image to a tile's size: two dozen large ones would fill the memory."""
    scale = TILE_PX / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _table(name: str, number: str, counts: Mapping[str, int]) -> str:
    rows = [f"| {key} | {count:,} |" for key, count in counts.items()]
    return "\n".join([f"| {name} | {number} |", "|---|---:|", *rows])


def _code(text: str) -> str:
    """A path or name as a Markdown code span: nothing in it is markup."""
    line = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"
