"""The content of a report, in order and in any format: sections of plots, tables and portraits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc

from manifests.pixels.colors import STATUS_COLORS
from manifests.report.pictures import STATUSES, Brightness, Looked, Tiles
from manifests.report.plots import NAMES_DRAWN, SERIES, Plot, bars, histogram, most_frequent, stacked_bars
from manifests.report.tables import Cell, Table, counts_table, lines, percent, wide
from manifests.upkeep.stats import NOT_STATED, Statistics, accepted_by_policies, folded, printable, reasons_given

GROUP_SIZES = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 9), (10, 99), (100, None))  # samples, from and to


@dataclass(frozen=True, slots=True)
class Section:
    """`notes` hold what a reader must know to understand the rest."""

    title: str
    notes: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    sheets: Sequence[Tiles] = ()


def sections(numbers: Statistics, bright: Brightness, drawn: Sequence[Tiles], alike: Sequence[Tiles]) -> list[Section]:
    """All sections of the report; a note replaces plots whose columns are missing."""
    return [
        _sources(numbers),
        _splits(numbers),
        _reviews(numbers),
        _teachers(numbers),
        _pictures(numbers, bright),
        _look_alikes(numbers, alike),
        _licences(numbers),
        *([_portraits(drawn)] if drawn else []),
    ]


def status_totals(numbers: Statistics) -> dict[str, int]:
    """Samples of each status: accepted, rejected and pending, and conflict where there are any."""
    counted = numbers.count("status")
    found = dict(zip(counted["status"], counted["rows"].tolist(), strict=True))
    return {status: found.get(status, 0) for status in STATUSES if status in found or status != "conflict"}


def _sources(numbers: Statistics) -> Section:
    counted = numbers.count("source", "origin", "status")
    statuses = list(status_totals(numbers))
    drawn = most_frequent(counted.groupby(["source", "status"])["rows"].sum().reset_index(), "source")
    return Section(
        "Sources",
        plots=[stacked_bars("Samples by source and status", wide(drawn, "status", statuses, "source"), STATUS_COLORS)],
        tables=[counts_table("By source, origin and status", counted, "status", statuses, "source", "origin")],
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
    drawn = wide(most_frequent(of_sources, "source"), "split", splits, "source")
    return Section(
        "Splits",
        notes=[
            "A split is drawn for each near-duplicate group, so look-alikes never lie in two splits. "
            "The aim is 80 % train, 10 % val and 10 % test."
        ],
        plots=[stacked_bars("Each source's share of the splits", drawn, SERIES, shares=True)],
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
            f"Seconds per decision, from the picture's appearance to the key: median {middle:.2f}, half of them "
            f"between {low:.2f} and {high:.2f}, {len(seconds):,} decisions."
        )
        plots.append(histogram("Seconds per decision", {"decisions": seconds}, "seconds"))
    else:
        notes.append("No decision's time is known.")
    if len(reasons):
        named = folded(reasons, "reason", NAMES_DRAWN).sort_values("rows", ascending=False, kind="stable")
        counts = dict(zip(named["reason"], named["rows"].tolist(), strict=True))
        plots.append(bars("Reasons of rejected samples", counts, "samples"))
    else:
        notes.append("No reason was given for a rejection.")
    rows = [[reason, count] for reason, count in zip(reasons["reason"], reasons["rows"].tolist(), strict=True)]
    tables = [Table("Reasons of rejected samples", ["reason", "samples"], rows)] if rows else []
    unseen = accepted_by_policies(numbers)
    if len(unseen):
        notes.append(f"{unseen['rows'].sum():,} of the accepted samples were accepted by a policy, without a look.")
        by_policy = [[name, count] for name, count in zip(unseen["decided_by"], unseen["rows"].tolist(), strict=True)]
        tables.append(Table("Accepted by a policy", ["policy", "samples"], by_policy))
    return Section("Reviews", notes, plots, tables)


def _teachers(numbers: Statistics) -> Section:
    counted = numbers.count("teacher", "status")
    counted = counted[counted["teacher"] != NOT_STATED]
    plots = [
        histogram(title, series, name, start=start, upto=1.0)
        for title, name, start in (
            ("Doubt: how likely a reviewer rejects it", "doubt", 0.0),
            ("Confidence of the mask", "confidence", 0.5),  # the mean of the larger of two probabilities
        )
        if (series := _by_status(numbers, name))
    ]
    if counted.empty:
        return Section("Teachers", ["No teacher made a mask of this version: all come from the sources."], plots)
    statuses = list(status_totals(numbers))
    rows: list[list[Cell]] = []
    for names, counts in lines(wide(counted, "status", statuses, "teacher")):
        of = dict(zip(statuses, counts, strict=True))
        decided = of["accepted"] + of["rejected"]
        rows.append([*names, *counts, sum(counts), percent(of["accepted"], decided) if decided else "none decided"])
    table = Table("By teacher and status", ["teacher", *statuses, "all", "accepted of decided"], rows)
    return Section(
        "Teachers",
        ["Ground truth and cropped ground truth have no teacher, and are not in this table."],
        plots,
        [table],
    )


def _pictures(numbers: Statistics, bright: Brightness) -> Section:
    sizes = {"width": _known(numbers, "width"), "height": _known(numbers, "height")}
    plots = [histogram("Size of the samples", sizes, "px", stacked=False)] if numbers.rows else []
    faces = _known(numbers, "face_px")
    notes = [f"A face was detected in {len(faces):,} of {numbers.rows:,} samples."]
    if len(faces):
        plots.append(histogram("Size of the face", {"faces": faces}, "shorter side, px of the source picture"))
    if fractions := _by_status(numbers, "person_fraction"):
        plots.append(histogram("Person's share of the picture", fractions, "person fraction", upto=1.0))
    notes.append(f"Brightness is the mean of a picture's pixels. {_said(bright.looked, numbers.rows)}")
    if len(bright.means):
        plots.append(histogram("Brightness", {"pictures": bright.means}, "0 (black) to 255 (white)", upto=255))
    quantiles = numbers.quantiles
    known = quantiles["known"].tolist()
    rows: list[list[Cell]] = [
        [str(what), *("–" if pd.isna(value) else f"{value:.4g}" for value in values), count]
        for what, values, count in zip(quantiles.index, quantiles.to_numpy()[:, :-1], known, strict=True)
    ]
    table = Table("Quantiles", ["number", *quantiles.columns[:-1], "known in"], rows)
    return Section("Pictures", notes, plots, [table])


def _look_alikes(numbers: Statistics, alike: Sequence[Tiles]) -> Section:
    sizes = numbers.groups.sizes
    counts = {
        _range(low, high): sum(count for size, count in sizes.items() if low <= size <= (high or size))
        for low, high in GROUP_SIZES
    }
    counts = {name: count for name, count in counts.items() if count}
    notes = [
        "Samples that look alike, or are crops of one picture, form a group. "
        f"{numbers.rows - len(numbers.groups):,} of {numbers.rows:,} samples are look-alikes of another one."
    ]
    table = Table(
        "Groups by size", ["samples in the group", "groups"], [[name, count] for name, count in counts.items()]
    )
    plots = [bars("Groups by size", counts, "groups", logarithmic=True)] if counts else []
    return Section("Near-duplicates", notes, plots, [table], alike)


def _licences(numbers: Statistics) -> Section:
    counted = folded(folded(numbers.count("license", "source"), "source"), "license")
    ordered = counted.sort_values("rows", ascending=False, kind="stable")
    rows: list[list[Cell]] = [[*names, *count] for names, count in lines(ordered.set_index(["license", "source"]))]
    table = Table("By licence, as the sources state it", ["licence", "source", "samples"], rows, names=2)
    return Section("Licences", tables=[table])


def _portraits(drawn: Sequence[Tiles]) -> Section:
    looked = Looked(sum(s.looked.wanted for s in drawn), [p for s in drawn for p in s.looked.problems])
    notes = [
        "These are people's faces: whoever may not see the photographs may not see this report.",
        "Evenly spread over the version's rows, not picked. The line is the mask's edge, the background is dimmed.",
    ]
    if looked.problems:
        notes.append(_said(looked, sum(sheet.total for sheet in drawn)))
    return Section("Portraits", notes, sheets=drawn)


def _said(looked: Looked, total: int) -> str:
    said = f"{looked.seen:,} of {total:,} samples were looked at, evenly spread over all."
    if not looked.problems:
        return said
    return f"{said} {len(looked.problems):,} more can't be read, the first: {printable(looked.problems[0])}"


def _known(numbers: Statistics, name: str) -> npt.NDArray[np.float32]:
    values = pc.cast(numbers.number(name), "float").to_numpy()  # null -> NaN
    return values[np.isfinite(values)]


def _by_status(numbers: Statistics, name: str) -> dict[str, npt.NDArray[np.float32]]:
    """The known values of each status that has some."""
    values = pc.cast(numbers.number(name), "float").to_numpy()  # null -> NaN
    codes, names = numbers.codes("status")
    known = np.isfinite(values)
    found = {status: values[known & (codes == names.index(status))] for status in STATUSES if status in names}
    return {status: some for status, some in found.items() if len(some)}


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} or more"
    return str(low) if low == high else f"{low} to {high}"
