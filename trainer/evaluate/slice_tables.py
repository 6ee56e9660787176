"""Metrics by slice as lines of text, a CSV file, or a Markdown table."""

import csv
import dataclasses
import io
from collections.abc import Sequence

from manifests.pixels.metrics import Interval, MetricsAccumulator
from manifests.upkeep.stats import printable
from trainer.evaluate.slices import FEW, SliceMetrics

NONE_DIFFERS = "no slices: all images agree in every property"

WIDTH = 26  # characters of a column, as in the table of all images
WIDTH_SIGNED = 28  # of a column in a table with differences
_DIFFERENCE = "miou_difference"


def slices_text(names: Sequence[str], slices: Sequence[SliceMetrics]) -> list[str]:
    """A table for the terminal, worst slice first: three metrics of one checkpoint, or the miou of each of several.

    With two checkpoints the last column is the second's miou minus the first's.
    """
    if not slices:
        return [NONE_DIFFERS]
    headings, intro = list(MetricsAccumulator.NAMES), f"slices, worst miou first; few: under {FEW} images"
    if len(names) > 1:
        headings = [f"miou of {number}" for number in range(1, len(names) + 1)]
        headings += ["miou of 2 - 1"] if len(names) == 2 else []
        intro += "".join(f"\n{number}: {name}" for number, name in enumerate(names, start=1))
    heading = f"{'':<44}{'n':>6}" + "".join(f"{name:>{_width(len(names))}}" for name in headings)
    return [intro, heading, *(_line(entry) for entry in slices)]


def slices_csv(names: Sequence[str], slices: Sequence[SliceMetrics]) -> str:
    """A line for each slice and checkpoint: by, slice, n, few, checkpoint, metrics with intervals, difference."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    metrics = [f"{name}{end}" for name in (*MetricsAccumulator.NAMES, _DIFFERENCE) for end in ("", "_low", "_high")]
    writer.writerow(["by", "slice", "n", "few", "checkpoint", *metrics])
    for entry in slices:
        for name, result in zip(names, entry.measured, strict=True):
            values = dataclasses.asdict(result.metrics)
            numbers = [number for key in MetricsAccumulator.NAMES for number in (values[key], *result.intervals[key])]
            difference = [result.difference, *(result.difference_interval or (None, None))]
            cells = ["" if number is None else f"{number:.6f}" for number in (*numbers, *difference)]
            writer.writerow([entry.by, entry.name, entry.n, "few" if entry.few else "", name, *cells])
    return buffer.getvalue()


def slices_markdown(slices: Sequence[SliceMetrics]) -> str:
    """A table of the first checkpoint, worst slice first, for a model card."""
    if not slices:
        return NONE_DIFFERS.capitalize() + "."
    lines = [f"| slice, worst first | n | {' | '.join(MetricsAccumulator.NAMES)} |", "|---|---|---|---|---|"]
    for entry in slices:
        n = f"{entry.n} (few)" if entry.few else f"{entry.n}"
        lines.append(f"| {_title(entry).replace('|', '/')} | {n} | {' | '.join(_metrics(entry))} |")
    return "\n".join([*lines, "", f"With 95 % bootstrap intervals over the images; few: under {FEW}."])


def with_interval(value: float, interval: Interval) -> str:
    """`0.9512 [0.9401, 0.9603]`."""
    return f"{value:.4f} [{interval[0]:.4f}, {interval[1]:.4f}]"


def _line(entry: SliceMetrics) -> str:
    cells = _metrics(entry)
    if len(entry.measured) > 1:
        cells = [with_interval(result.metrics.miou, result.intervals["miou"]) for result in entry.measured]
    if len(entry.measured) == 2:
        second = entry.measured[1]
        if second.difference is not None and second.difference_interval is not None:
            low, high = second.difference_interval
            cells.append(f"{second.difference:+.4f} [{low:+.4f}, {high:+.4f}]")
    text = f"{_title(entry)[:43]:<44}{entry.n:>6}" + "".join(f"{cell:>{_width(len(entry.measured))}}" for cell in cells)
    return f"{text}  few" if entry.few else text


def _width(checkpoints: int) -> int:
    return WIDTH_SIGNED if checkpoints == 2 else WIDTH


def _metrics(entry: SliceMetrics) -> list[str]:
    """The first checkpoint's three metrics."""
    first = entry.measured[0]
    values = dataclasses.asdict(first.metrics)
    return [with_interval(values[name], first.intervals[name]) for name in MetricsAccumulator.NAMES]


def _title(entry: SliceMetrics) -> str:
    return printable(f"{entry.by}: {entry.name}")  # a source may have any name
