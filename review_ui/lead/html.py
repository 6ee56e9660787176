"""The HTML of the lead's page: Jinja2 templates that escape text, and functions for their parts.

The parts follow the page's theme and load nothing. Cells that are HTML come as `Markup`.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from manifests.pixels.colors import COLORS
from review_ui.quality.pace import PaceBin, round_down

TEMPLATES = Path(__file__).parent / "templates"
STYLE = (TEMPLATES / "lead.css").read_text(encoding="utf-8")

_CHART = (620, 220)  # px at full size: width, height
_MARGINS = (38, 24, 12, 24)  # px: left, right, top, bottom
_TOPS = (2, 4, 6, 10, 20, 30, 40, 50, 60, 80, 100, 120, 160, 200, 300, 400)  # of the axis: half of it is a number too
_TIME_LABELS = 7  # at most
_TIME_STEPS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60, 120, 240, 480, 1440, 2880, 10080))

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_PARTS: Any = _ENVIRONMENT.get_template("parts.html").module

Cell = str | Markup


def render(template: str, **values: object) -> Markup:
    """Fill a template; text among the values is escaped."""
    return escape(_ENVIRONMENT.get_template(template).make_module(values))  # filled, it is HTML


def table(
    headers: Sequence[Cell],
    rows: Sequence[Sequence[Cell]],
    *,
    bars: int = 0,
    parts: Sequence[bool] = (),
    numbers: bool = True,
) -> Markup:
    """Headers over rows: the first column is text, column `bars` (if not 0) holds bars, the others numbers or text.

    `parts` marks rows that refine the one above them.
    """
    return _part("table", headers, rows, bars, parts, numbers)


def stacked_bar(counts: Mapping[str, int], colors: Mapping[str, str], *, full: int) -> Markup:
    """Parts side by side; the whole width stands for `full`."""
    return _part("stacked_bar", counts, colors, full)


def key(name: str, color: str) -> Markup:
    """An entry of a legend."""
    return _part("key", name, color)


def keys(colors: Mapping[str, str]) -> Markup:
    """A legend."""
    return _part("keys", colors)


def colors_of(names: Sequence[str]) -> dict[str, str]:
    """A color each; they repeat when there are more names than colors."""
    return {name: COLORS[number % len(COLORS)] for number, name in enumerate(names)}


def cards(figures: Sequence[tuple[str, str]]) -> Markup:
    """A card for each (figure, meaning)."""
    return _part("cards", figures)


def with_note(value: str, note: str) -> Markup:
    """A cell with a smaller second line."""
    return _part("with_note", value, note)


def media_links(image_sha256: str, mask_sha256: str) -> Markup:
    """Links to a sample's two files."""
    return _part("media_links", image_sha256, mask_sha256)


def pace_chart(bins: Sequence[PaceBin]) -> Markup:
    """Decisions per minute over time, a line each; a line breaks where the reviewer was away."""
    colors = colors_of(sorted({entry.reviewer for entry in bins}))
    first, last = min(entry.start for entry in bins), max(entry.start + entry.width for entry in bins)
    top = _round_up(max(entry.per_minute for entry in bins))
    left, right, above, below = _MARGINS

    def x(moment: datetime) -> float:
        return left + (moment - first) / (last - first) * (_CHART[0] - left - right)

    def y(per_minute: float) -> float:
        return above + (1 - per_minute / top) * (_CHART[1] - above - below)

    chart = _part(
        "line_chart", *_CHART, left, right,
        horizontals=[(y(value), f"{value:g}") for value in (0, top / 2, top)],
        moments=[(x(moment), label) for moment, label in _time_labels(first, last)],
        lines=[
            (colors[run[0].reviewer], [(x(entry.start + entry.width / 2), y(entry.per_minute)) for entry in run])
            for run in _runs(bins)
        ],
    )  # fmt: skip
    return keys(colors) + chart


def _part(name: str, *values: object, **named: object) -> Markup:
    """Fill a macro of parts.html; text among the values is escaped."""
    return escape(getattr(_PARTS, name)(*values, **named))  # a macro's result is HTML already, and stays as it is


def _runs(bins: Sequence[PaceBin]) -> list[list[PaceBin]]:
    """Adjacent bins of one reviewer."""
    runs: list[list[PaceBin]] = []
    for entry in bins:
        before = runs[-1][-1] if runs else None
        if before and before.reviewer == entry.reviewer and before.start + before.width == entry.start:
            runs[-1].append(entry)
        else:
            runs.append([entry])
    return runs


def _time_labels(first: datetime, last: datetime) -> list[tuple[datetime, str]]:
    """Round moments between the two, each with its label."""
    step = next((step for step in _TIME_STEPS if (last - first) / step <= _TIME_LABELS), (last - first) / _TIME_LABELS)
    moment, labels = round_down(first, step), []
    while moment <= last:
        if moment >= first:
            labels.append((moment, f"{moment:%H:%M}" if step < timedelta(days=1) else f"{moment.day} {moment:%b}"))
        moment += step
    return labels


def _round_up(value: float) -> float:
    """The next number that is easy to read."""
    return next((top for top in _TOPS if value <= top), math.ceil(value / _TOPS[-1]) * _TOPS[-1])
