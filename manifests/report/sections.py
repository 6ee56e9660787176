"""The content of a report, in order and in any format: sections of plots, tables and portraits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc

from manifests.pixels.colors import STATUS_COLORS
from manifests.report.pictures import STATUSES, Brightness, ReadImages, Tiles
from manifests.report.plots import NAMES_DRAWN, SERIES, Plot, bars, histogram, most_frequent, stacked_bars
from manifests.report.tables import Cell, Table, counts_table, lines, percent, wide
from manifests.samples.attributes import attribute_slices, read_attributes
from manifests.samples.slices import SLICED_COLUMNS, Slice, light_slices, row_slices
from manifests.upkeep.stats import NOT_STATED, Statistics, accepted_by_policies, folded, printable, reasons_given

GROUP_SIZES = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 9), (10, 99), (100, None))  # samples, from and to


@dataclass(frozen=True, slots=True)
class Section:
    """One section; `notes` explain its plots, tables and portraits."""

    title: str
    notes: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    sheets: Sequence[Tiles] = ()


def sections(numbers: Statistics, bright: Brightness, sheets: Sequence[Tiles], alike: Sequence[Tiles]) -> list[Section]:
    """All sections of the report; a note replaces plots whose columns are missing."""
    return [
        _sources(numbers),
        _splits(numbers),
        _reviews(numbers),
        _teachers(numbers),
        _images(numbers, bright),
        _slices(numbers, bright),
        _look_alikes(numbers, alike),
        _licences(numbers),
        *([_portraits(sheets)] if sheets else []),
    ]


def status_totals(numbers: Statistics) -> dict[str, int]:
    """Samples of each status: accepted, rejected and pending, and conflict if any."""
    counts = numbers.count("status")
    totals = dict(zip(counts["status"], counts["rows"].tolist(), strict=True))
    return {status: totals.get(status, 0) for status in STATUSES if status in totals or status != "conflict"}


def _sources(numbers: Statistics) -> Section:
    counts = numbers.count("source", "origin", "status")
    statuses = list(status_totals(numbers))
    plotted = most_frequent(counts.groupby(["source", "status"])["rows"].sum().reset_index(), "source")
    table = wide(plotted, "status", statuses, "source")
    return Section(
        "Sources",
        plots=[stacked_bars("Samples by source and status", table, STATUS_COLORS)],
        tables=[counts_table("By source, origin and status", counts, "status", statuses, "source", "origin")],
    )


def _splits(numbers: Statistics) -> Section:
    splits = list(SERIES)
    of_sources = numbers.count("source", "split")
    of_splits = wide(numbers.count("split", "status"), "status", list(status_totals(numbers)), "split")
    rows: list[list[Cell]] = [
        [*names, *counts, sum(counts), percent(sum(counts), numbers.rows)]
        for names, counts in lines(of_splits.reindex(splits, fill_value=0))
        if numbers.rows
    ]
    shares: list[list[Cell]] = [
        [*names, *counts, *(percent(count, sum(counts)) for count in counts)]
        for names, counts in lines(wide(of_sources, "split", splits, "source"))
    ]
    plotted = wide(most_frequent(of_sources, "source"), "split", splits, "source")
    return Section(
        "Splits",
        notes=[
            "Each near-duplicate group has one split, so look-alikes never lie in two splits. "
            "The aim is 80 % train, 10 % val and 10 % test."
        ],
        plots=[stacked_bars("Each source's share of the splits", plotted, SERIES, shares=True)],
        tables=[
            Table("By split and status", ["split", *of_splits.columns, "all", "share"], rows),
            Table("By source and split", ["source", *splits, *(f"{split}, %" for split in splits)], shares),
        ],
    )


def _reviews(numbers: Statistics) -> Section:
    reasons = reasons_given(numbers)
    seconds = _known(numbers, "seconds")
    notes, plots = [], []
    if len(seconds):
        low, middle, high = np.quantile(seconds, [0.25, 0.5, 0.75])
        notes.append(
            f"Seconds per decision, from the image's appearance to the key: median {middle:.2f}, half of them "
            f"between {low:.2f} and {high:.2f}, {len(seconds):,} decisions."
        )
        plots.append(histogram("Seconds per decision", {"decisions": seconds}, "seconds"))
    else:
        notes.append("The decisions' times are unknown.")
    if len(reasons):
        plotted = folded(reasons, "reason", NAMES_DRAWN).sort_values("rows", ascending=False, kind="stable")
        counts = dict(zip(plotted["reason"], plotted["rows"].tolist(), strict=True))
        plots.append(bars("Reasons of rejected samples", counts, "samples"))
    else:
        notes.append("No rejection has a reason.")
    rows = [[reason, count] for reason, count in zip(reasons["reason"], reasons["rows"].tolist(), strict=True)]
    tables = [Table("Reasons of rejected samples", ["reason", "samples"], rows)] if rows else []
    unseen = accepted_by_policies(numbers)
    if len(unseen):
        notes.append(f"{unseen['rows'].sum():,} of the accepted samples were accepted by a policy, without a look.")
        by_policy = [[name, count] for name, count in zip(unseen["decided_by"], unseen["rows"].tolist(), strict=True)]
        tables.append(Table("Accepted by a policy", ["policy", "samples"], by_policy))
    return Section("Reviews", notes, plots, tables)


def _teachers(numbers: Statistics) -> Section:
    counts_by_teacher = numbers.count("teacher", "status")
    counts_by_teacher = counts_by_teacher[counts_by_teacher["teacher"] != NOT_STATED]
    plots = [
        histogram(title, series, name, start=start, upto=1.0)
        for title, name, start in (
            ("Doubt: how likely a reviewer rejects it", "doubt", 0.0),
            ("Confidence of the mask", "confidence", 0.5),  # the mean of the larger of two probabilities
        )
        if (series := _by_status(numbers, name))
    ]
    if counts_by_teacher.empty:
        return Section("Teachers", ["No teacher made a mask of this version: all come from the sources."], plots)
    statuses = list(status_totals(numbers))
    rows: list[list[Cell]] = []
    for names, counts in lines(wide(counts_by_teacher, "status", statuses, "teacher")):
        count_of = dict(zip(statuses, counts, strict=True))
        decided = count_of["accepted"] + count_of["rejected"]
        share = percent(count_of["accepted"], decided) if decided else "none decided"
        rows.append([*names, *counts, sum(counts), share])
    table = Table("By teacher and status", ["teacher", *statuses, "all", "accepted of decided"], rows)
    return Section(
        "Teachers",
        ["Ground truth and cropped ground truth have no teacher and aren't in this table."],
        plots,
        [table],
    )


def _images(numbers: Statistics, bright: Brightness) -> Section:
    sizes = {"width": _known(numbers, "width"), "height": _known(numbers, "height")}
    plots = [histogram("Size of the samples", sizes, "px", stacked=False)] if numbers.rows else []
    faces = _known(numbers, "face_px")
    notes = [f"A face was detected in {len(faces):,} of {numbers.rows:,} samples."]
    if len(faces):
        plots.append(histogram("Size of the face", {"faces": faces}, "shorter side, px of the source image"))
    if fractions := _by_status(numbers, "person_fraction"):
        plots.append(histogram("Person's share of the image", fractions, "person fraction", upto=1.0))
    notes.append(f"Brightness is the mean of an image's pixels. {_count_line(bright.images, numbers.rows)}")
    if len(bright.means):
        plots.append(histogram("Brightness", {"images": bright.means}, "0 (black) to 255 (white)", upto=255))
    quantiles = numbers.quantiles
    known = quantiles["known"].tolist()
    rows: list[list[Cell]] = [
        [str(what), *("–" if pd.isna(value) else f"{value:.4g}" for value in values), count]
        for what, values, count in zip(quantiles.index, quantiles.to_numpy()[:, :-1], known, strict=True)
    ]
    table = Table("Quantiles", ["number", *quantiles.columns[:-1], "known in"], rows)
    return Section("Images", notes, plots, [table])


def _slices(numbers: Statistics, bright: Brightness) -> Section:
    rows = numbers.manifest.read(("sample_id", *SLICED_COLUMNS))
    attributes = attribute_slices(read_attributes(numbers.manifest.data_root, rows["sample_id"]))
    return Section(
        "Slices",
        notes=[
            "Samples between fixed limits, as in trainer.evaluate --slices. Face height, person share and border share "
            "are shares of the image; brightness and contrast are the mean and the standard deviation of the luma, "
            f"0 to 255, of the face, or of the image where no face is known. {_count_line(bright.images, numbers.rows)}"
        ],
        tables=[
            _slice_table("Slices by face, person and border", row_slices(rows), numbers.rows),
            _slice_table(
                "Slices by light, of the images that were read", light_slices(bright.lights), bright.images.count
            ),
            *([_slice_table("Slices by attribute", attributes, numbers.rows)] if attributes else []),
        ],
    )


def _slice_table(caption: str, slices: Sequence[Slice], total: int) -> Table:
    rows: list[list[Cell]] = [
        [printable(part.by), printable(part.name), len(part.members), percent(len(part.members), total)]
        for part in slices
    ]
    return Table(caption, ["by", "slice", "samples", "share"], rows, names=2)


def _look_alikes(numbers: Statistics, alike: Sequence[Tiles]) -> Section:
    sizes = numbers.groups.sizes
    counts = {
        _range(low, high): sum(count for size, count in sizes.items() if low <= size <= (high or size))
        for low, high in GROUP_SIZES
    }
    counts = {name: count for name, count in counts.items() if count}
    notes = [
        "Samples that look alike, or are crops of one source image, form a group. "
        f"{numbers.rows - len(numbers.groups):,} of {numbers.rows:,} samples are look-alikes of another one."
    ]
    table = Table(
        "Groups by size", ["samples in the group", "groups"], [[name, count] for name, count in counts.items()]
    )
    plots = [bars("Groups by size", counts, "groups", logarithmic=True)] if counts else []
    return Section("Near-duplicates", notes, plots, [table], alike)


def _licences(numbers: Statistics) -> Section:
    counts = folded(folded(numbers.count("license", "source"), "source"), "license")
    ordered = counts.sort_values("rows", ascending=False, kind="stable")
    rows: list[list[Cell]] = [[*names, *count] for names, count in lines(ordered.set_index(["license", "source"]))]
    table = Table("By licence, as stated by the sources", ["licence", "source", "samples"], rows, names=2)
    return Section("Licences", tables=[table])


def _portraits(sheets: Sequence[Tiles]) -> Section:
    images = ReadImages(sum(s.images.wanted for s in sheets), [p for s in sheets for p in s.images.problems])
    notes = [
        "These are people's faces: show this report only to people who may see the images.",
        "Evenly spread over the version's rows, not selected. The line is the mask's edge, the background is dimmed.",
    ]
    if images.problems:
        notes.append(_count_line(images, sum(sheet.total for sheet in sheets)))
    return Section("Portraits", notes, sheets=sheets)


def _count_line(images: ReadImages, total: int) -> str:
    line = f"{images.count:,} of {total:,} samples were read, evenly spread over all."
    if not images.problems:
        return line
    return f"{line} {len(images.problems):,} more can't be read, the first: {printable(images.problems[0])}"


def _known(numbers: Statistics, name: str) -> npt.NDArray[np.float32]:
    values = pc.cast(numbers.number(name), "float").to_numpy()  # null -> NaN
    return values[np.isfinite(values)]


def _by_status(numbers: Statistics, name: str) -> dict[str, npt.NDArray[np.float32]]:
    """The known values of each status with any."""
    values = pc.cast(numbers.number(name), "float").to_numpy()  # null -> NaN
    codes, names = numbers.codes("status")
    known = np.isfinite(values)
    by_status = {status: values[known & (codes == names.index(status))] for status in STATUSES if status in names}
    return {status: some for status, some in by_status.items() if len(some)}


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} or more"
    return str(low) if low == high else f"{low} to {high}"
