"""The files of a comparison: table.md, table.csv, and table.png with the differences and their intervals."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from manifests.files.atomic import write_replace
from manifests.pixels.metrics import MetricsAccumulator
from trainer.compare.bootstrap import RESAMPLES, Difference, Spread
from trainer.compare.result import ArmResult, Comparison

TABLE = "table.md"
CSV = "table.csv"
PLOT = "table.png"
CSV_COLUMNS = (
    *("rotation_degrees", "arm", "options", "seeds", "metric", "mean", "deviation"),
    *("difference_points", "low_points", "high_points", "excludes_zero"),
)
POINTS = 100  # a point is 1/100
MARK = "*"
NAMES = MetricsAccumulator.NAMES


def write_comparison(output: Path, comparison: Comparison) -> str:
    """Write the three files and return the text of table.md. Without any difference there is no plot."""
    tables = {degrees: comparison.lines(degrees) for degrees in comparison.rotations or [0.0]}
    page = comparison_page(comparison, tables)
    write_replace(output / TABLE, page.encode())
    write_replace(output / CSV, comparison_csv(comparison, tables).encode())
    lines = [line for line in tables[0.0][1:] if line.differences]
    if lines:
        write_replace(output / PLOT, difference_plot(lines, comparison))
    return page


def comparison_page(comparison: Comparison, tables: Mapping[float, Sequence[ArmResult]]) -> str:
    """Markdown that is readable in a terminal: what was compared, and a table for each rotation."""
    listed = [
        f"## {f'Turned within +-{degrees:g} degrees' if degrees else 'As the images are'}\n\n{_table(lines)}\n"
        for degrees, lines in tables.items()
    ]
    arms = "\n".join(
        f"- {arm.name}: {f'`{arm.own}`' if arm.own else 'no options of its own'}" for arm in comparison.arms
    )
    own = f"## Options of the arms\n\nAll: {f'`{comparison.fit}`' if comparison.fit else 'none'}\n\n{arms}\n"
    return "\n".join([f"# Comparison with {comparison.arms[0].name}\n", *_header(comparison), "", *listed, own])


def comparison_csv(comparison: Comparison, tables: Mapping[float, Sequence[ArmResult]]) -> str:
    """One line per rotation, arm and metric; unknown values are empty."""
    text = io.StringIO()
    table = csv.DictWriter(text, CSV_COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    for degrees, lines in tables.items():
        for line in lines:
            columns = {"rotation_degrees": f"{degrees:g}", "arm": line.arm.name, "options": line.arm.own}
            columns["seeds"] = " ".join(map(str, line.seeds))
            table.writerows({**columns, "metric": name, **_csv_values(line, name)} for name in NAMES)
    return text.getvalue()


def difference_plot(lines: Sequence[ArmResult], comparison: Comparison) -> bytes:
    """PNG: per metric, each arm's difference to the base with its interval; filled where that excludes 0."""
    figure = Figure(figsize=(11, 1.5 + 0.35 * len(lines)), layout="constrained")
    every = figure.subplots(1, len(NAMES), sharey=True)
    for axes, name in zip(every, NAMES, strict=True):
        axes.axvline(0, color="grey", linewidth=1)
        for row, line in enumerate(lines):
            value, low, high = _points(line.differences[name])
            colour = "black" if line.differences[name].excludes_zero else "grey"
            axes.plot([low, high], [row, row], color=colour, linewidth=1.5)
            axes.plot(value, row, "o", color=colour, markerfacecolor=colour if colour == "black" else "white")
        axes.set_title(name)
        axes.locator_params(axis="x", nbins=5)
        axes.grid(axis="x", alpha=0.3)
        axes.margins(y=0.5 / len(lines))
    every[0].set_yticks(range(len(lines)), [_shortened(line.arm.name) for line in lines])
    every[0].invert_yaxis()
    base = _shortened(comparison.arms[0].name)
    figure.supxlabel(f"points more than {base}, 95 % interval; black where it excludes 0", fontsize="medium")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def _header(comparison: Comparison) -> list[str]:
    on = comparison.on
    trains = {train.digest: train for train in map(comparison.trained_on, comparison.arms)}.values()
    fitted_on = ", ".join(f"{train.path}, version {train.version}, digest {train.digest[:12]}" for train in trains)
    rows = " or ".join(f"{count:,}" for count in comparison.training_rows)
    seeds, runs = sorted({seed for _, seed in comparison.seconds}), len(comparison.arms) * len(comparison.seeds)
    minutes = sum(comparison.seconds.values()) / 60
    over = "images and seeds" if len(seeds) > 1 else "the images only: one seed gives no spread over seeds"
    lines = [
        f"- Fitted on {fitted_on}: {rows} training rows.",
        f"- Measured on {on.path}, version {on.version}, digest {on.digest[:12]}, split {comparison.split}: "
        f"{comparison.pictures:,} images.",
        f"- Seeds {', '.join(map(str, seeds)) or 'none'}; {len(comparison.seconds)} of {runs} runs finished, "
        f"{len(comparison.failed)} failed; {minutes:.1f} minutes of fitting in all.",
        "- Mean +- standard deviation over seeds; difference in points (1/100) with a 95 % interval over",
        f"  {over} ({RESAMPLES:,} resamples). {MARK} marks one that excludes 0.",
    ]
    if comparison.chose_best:
        lines.append(
            f"- {comparison.chose_best:,} of the images also selected the best epochs, which favours all arms."
        )
    return lines


def _table(lines: Sequence[ArmResult]) -> str:
    """Markdown with columns padded to one width; the first line is the base."""
    rows = [["arm", *(title for name in NAMES for title in (name, "difference"))]]
    rows += [
        [
            _name(line) + (" (base)" if line is lines[0] else ""),
            *(cell for name in NAMES for cell in _cells(line, name)),
        ]
        for line in lines
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    padded.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(row)} |" for row in padded)


def _name(line: ArmResult) -> str:
    failed = f" (failed: seed {', '.join(map(str, line.failed))})" if line.failed else ""
    return line.arm.name.replace("|", r"\|") + failed


def _cells(line: ArmResult, name: str) -> tuple[str, str]:
    return (
        _spread(line.spreads[name]) if line.spreads else "-",
        _difference(line.differences[name]) if line.differences else "-",
    )


def _spread(spread: Spread) -> str:
    return f"{spread.mean:.4f}" + ("" if spread.deviation is None else f" +- {spread.deviation:.4f}")


def _difference(difference: Difference) -> str:
    value, low, high = _points(difference)
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]{f' {MARK}' if difference.excludes_zero else ''}"


def _csv_values(line: ArmResult, name: str) -> dict[str, str]:
    values = {}
    if line.spreads:
        spread = line.spreads[name]
        values["mean"] = f"{spread.mean:.6f}"
        values["deviation"] = "" if spread.deviation is None else f"{spread.deviation:.6f}"
    if line.differences:
        points = (f"{value:.4f}" for value in _points(line.differences[name]))
        values |= dict(zip(("difference_points", "low_points", "high_points"), points, strict=True))
        values["excludes_zero"] = str(line.differences[name].excludes_zero).lower()
    return values


def _points(difference: Difference) -> tuple[float, float, float]:
    return difference.value * POINTS, difference.low * POINTS, difference.high * POINTS


def _shortened(name: str, limit: int = 40) -> str:
    return name if len(name) <= limit else f"{name[: limit - 3]}..."
