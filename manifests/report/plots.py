"""The plots of a report: each has a title, a text alternative, and a function that draws it on matplotlib's axes.

Colours are those of `manifests.pixels.colors` and the INK, LINE and PAPER below; a page replaces them by those of its
theme. Names are drawn literally, without matplotlib's mathematics.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from manifests.pixels.colors import COLORS, STATUS_COLORS
from manifests.upkeep.stats import folded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, LINE, PAPER = "#1b1d21", "#c9cdd4", "#fefefe"
SERIES = {"train": COLORS[0], "val": COLORS[1], "test": COLORS[3]}
BINS = 30
NAMES_DRAWN = 10
NAME_CHARACTERS = 18

_LARGEST_SHARE = 0.995  # quantile at which an open-ended axis ends: one huge image must not flatten the rest
_ROUND_STEPS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_STYLE = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "font.size": 11.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 11.0,
}


@dataclass(frozen=True, slots=True)
class Plot:
    """`alt` describes the plot in words; `lines` is its height, in bars."""

    title: str
    alt: str
    draw: Callable[["Axes"], None]
    lines: int = 8


def style() -> dict[Any, Any]:
    """Matplotlib's settings for all plots."""
    return {**_STYLE}


def stacked_bars(title: str, table: pd.DataFrame, colors: Mapping[str, str], *, shares: bool = False) -> Plot:
    """A bar for each line of `table`, with a part for each column; `shares` makes all bars equally long."""
    parts = table.div(table.sum(axis="columns"), axis="index") * 100 if shares else table
    unit = " %" if shares else ""
    alt = "; ".join(
        f"{name}: " + ", ".join(f"{value:,.0f}{unit} {part}" for part, value in parts.loc[name].items())
        for name in parts.index
    )

    def draw(axes: "Axes") -> None:
        before = np.zeros(len(parts))
        for part in parts.columns:
            values = parts[part].to_numpy(float)
            axes.barh(range(len(parts)), values, left=before, color=colors[part], label=part, height=0.7)
            before += values
        axes.set_yticks(range(len(parts)), [shortened(str(name)) for name in parts.index])
        axes.set_ylim(len(parts) - 0.5, -0.5)
        axes.grid(axis="x")
        axes.set_xlabel("% of the samples" if shares else "samples")
        axes.set_xlim(0, 100 if shares else max(1.0, before.max(initial=0) * 1.02))
        _numbers_below(axes)
        _legend(axes, len(parts.columns))

    return Plot(title, f"Stacked bars. {alt}.", draw, lines=len(parts))


def bars(title: str, counts: Mapping[str, int], label: str, *, logarithmic: bool = False) -> Plot:
    """A bar with its number for each name; `logarithmic` for numbers of very different sizes."""
    alt = ", ".join(f"{name}: {count:,}" for name, count in counts.items())

    def draw(axes: "Axes") -> None:
        container = axes.barh(range(len(counts)), list(counts.values()), color=COLORS[0], height=0.7)
        axes.bar_label(container, [f"{count:,}" for count in counts.values()], padding=3, color=INK)
        axes.set_yticks(range(len(counts)), [shortened(name) for name in counts])
        axes.set_ylim(len(counts) - 0.5, -0.5)
        axes.set_xlabel(f"{label}, logarithmic" if logarithmic else label)
        if logarithmic:
            axes.set_xscale("log")
            axes.set_xlim(0.5, max(counts.values()) * 6)
        else:
            axes.set_xlim(0, max(counts.values()) * 1.2)
        axes.xaxis.set_ticks([])
        axes.xaxis.set_ticks([], minor=True)

    return Plot(title, f"Bars. {alt}.", draw, lines=len(counts))


def histogram(
    title: str,
    values: Mapping[str, npt.NDArray[np.floating]],
    label: str,
    *,
    start: float = 0.0,
    upto: float | None = None,
    stacked: bool = True,
) -> Plot:
    """Series of numbers, none below `start`, in BINS bins up to `upto`, by default up to nearly the largest.

    Series are named by status or split, or there is one with any name. Stacked bars, or, for series of the same
    samples, lines.
    """
    together = np.concatenate(list(values.values()))
    top = upto or _round_up(float(np.quantile(together, _LARGEST_SHARE)))
    edges = np.linspace(start, top, BINS + 1)
    counts = {name: np.histogram(series, edges)[0] for name, series in values.items()}
    beyond = int(np.count_nonzero(together > top))
    colors = {name: {**STATUS_COLORS, **SERIES}.get(name, COLORS[i]) for i, name in enumerate(values)}

    def draw(axes: "Axes") -> None:
        below = np.zeros(BINS)
        for name, heights in counts.items():
            if stacked:
                axes.bar(
                    edges[:-1], heights, np.diff(edges), bottom=below, align="edge", color=colors[name], label=name
                )
                below += heights
            else:
                axes.stairs(heights, edges, color=colors[name], label=name, linewidth=1.6)
        axes.set_xlim(start, top)
        axes.set_xlabel(label)
        axes.set_ylabel("samples")
        axes.grid(axis="y")
        _numbers_below(axes, "y")
        if len(counts) > 1:
            _legend(axes, len(counts))

    quartiles = {name: np.quantile(series, [0.25, 0.5, 0.75]) for name, series in values.items() if len(series)}
    alt = "; ".join(
        f"{name}: half of {len(values[name]):,} between {low:.3g} and {high:.3g}, median {middle:.3g}"
        for name, (low, middle, high) in quartiles.items()
    )
    more = f" {beyond:,} larger than {top:g} are not drawn." if beyond else ""
    return Plot(title, f"Histogram of {label}. {alt}.{more}", draw)


def most_frequent(counts: pd.DataFrame, column: str) -> pd.DataFrame:
    """The counts with NAMES_DRAWN names at most in a column."""
    return folded(counts, column, NAMES_DRAWN)


def shortened(name: str) -> str:
    return name if len(name) <= NAME_CHARACTERS else f"{name[: NAME_CHARACTERS - 1]}…"


def _legend(axes: "Axes", columns: int) -> None:
    """Add the legend above the plot, where it hides nothing."""
    axes.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=columns, borderaxespad=0.2, handlelength=0.9, columnspacing=1.1,
        borderpad=0.2, handletextpad=0.5,
    )  # fmt: skip


def _numbers_below(axes: "Axes", axis: str = "x") -> None:
    """Label an axis with a few whole numbers, with thousands separators."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    numbered = axes.xaxis if axis == "x" else axes.yaxis
    numbered.set_major_locator(MaxNLocator(5, integer=True))
    numbered.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:,.0f}"))


def _round_up(value: float) -> float:
    """Round up to the next of _ROUND_STEPS times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return next(float(step * power) for step in _ROUND_STEPS if value <= step * power * (1 + 1e-9))
