"""Metrics by slice: on which samples is a network worst?

`read_slices` sorts rows into the slices of manifests.samples.slices, and by source, origin and attributes.
`slice_metrics` measures checkpoints on each from their per-image figures; nothing is predicted again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.metrics import Interval, Metrics, MetricsAccumulator, percentile_interval
from manifests.progress import progress
from manifests.samples.attributes import attribute_slices, read_attributes
from manifests.samples.pair import read_image
from manifests.samples.slices import (
    FACE_COLUMNS,
    SLICED_COLUMNS,
    Slice,
    face_box,
    light,
    light_slices,
    name_slices,
    row_slices,
)
from manifests.store.manifest import Manifest
from manifests.store.training_rows import AcceptedRow

FEW = 30  # images; the interval of a slice with fewer is too narrow to trust

_KEY = ("image_sha256", "mask_sha256", "source")  # rows that agree in these are the same image and mask
_READ = tuple(dict.fromkeys((*_KEY, "sample_id", "origin", *SLICED_COLUMNS, *FACE_COLUMNS)))


@dataclass(frozen=True, slots=True)
class Measured:
    """One checkpoint on one slice; `difference` is its miou minus the first checkpoint's, None for the first."""

    metrics: Metrics
    intervals: dict[str, Interval]
    difference: float | None
    difference_interval: Interval | None


@dataclass(frozen=True, slots=True)
class SliceMetrics:
    """One slice, measured by every checkpoint in order."""

    by: str
    name: str
    n: int
    measured: Sequence[Measured]

    @property
    def few(self) -> bool:
        return self.n < FEW


def read_slices(manifest: Manifest, rows: Sequence[AcceptedRow], blobs: BlobStore) -> list[Slice]:
    """The slices of accepted rows, whose images are read for their light.

    A property in which all rows agree is omitted: its only slice would be all of them.
    """
    table = _table_of(manifest, rows)
    columns = table.select(FACE_COLUMNS).to_pylist()
    lights = []
    for row, face in progress(zip(rows, columns, strict=True), "measuring light", total=len(rows)):
        rgb = read_image(blobs, row)
        lights.append(light(rgb, face_box(face, rgb)))
    slices = [
        *name_slices("source", table["source"].to_pylist()),
        *name_slices("origin", table["origin"].to_pylist()),
        *row_slices(table),
        *light_slices(lights),
        *attribute_slices(read_attributes(manifest.data_root, table["sample_id"])),
    ]
    return [part for part in slices if len(part.members) < len(rows)]


def slice_metrics(slices: Sequence[Slice], totals: Sequence[MetricsAccumulator]) -> list[SliceMetrics]:
    """Metrics of each checkpoint's per-image figures on each slice, the first checkpoint's worst miou first."""
    measured = []
    for part in slices:
        of_slice = [_chosen(total, part) for total in totals]
        results = [
            _measured(accumulator, of_slice[0] if number else None) for number, accumulator in enumerate(of_slice)
        ]
        measured.append(SliceMetrics(part.by, part.name, len(part.members), results))
    return sorted(measured, key=lambda entry: entry.measured[0].metrics.miou)


def _table_of(manifest: Manifest, rows: Sequence[AcceptedRow]) -> pa.Table:
    """The manifest's columns _READ of the rows, in their order."""
    table = manifest.read(_READ, only={"status": "accepted"})
    wanted = pa.array({row.image_sha256 for row in rows}, pa.string())
    table = table.filter(pc.is_in(table["image_sha256"], value_set=wanted))
    places = {key: place for place, key in enumerate(zip(*(table[name].to_pylist() for name in _KEY), strict=True))}
    try:
        order = [places[row.image_sha256, row.mask_sha256, row.source] for row in rows]
    except KeyError as error:
        raise UserError(
            f"expected the measured rows in {manifest.path}, found no accepted one with image, mask and source "
            f"{error.args[0]}; pass the manifest that they come from"
        ) from None
    return table.take(order)


def _chosen(total: MetricsAccumulator, part: Slice) -> MetricsAccumulator:
    """The per-image figures of a slice's members."""
    return MetricsAccumulator(
        [total.confusions[member] for member in part.members],
        [total.person_ious[member] for member in part.members],
        [total.boundary_f1s[member] for member in part.members],
    )


def _measured(accumulator: MetricsAccumulator, first: MetricsAccumulator | None) -> Measured:
    metrics, draws = accumulator.result(), accumulator.draws()
    intervals = {name: percentile_interval(draws[name]) for name in accumulator.NAMES}
    if first is None:
        return Measured(metrics, intervals, None, None)
    shifts = draws["miou"] - first.draws()["miou"]  # the same seed draws the same images for both
    return Measured(metrics, intervals, metrics.miou - first.result().miou, percentile_interval(np.asarray(shifts)))
