"""Tables, stacked bars, cards and a line chart as HTML: they follow the page's theme and load nothing.

Text is escaped here; cells that are HTML already come as `Html`.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from html import escape

from manifests.pixels.colors import COLORS
from review_ui.quality.pace import PaceBin, round_down

STYLE = """
margin: 0 -12px; font-size: 14px; line-height: 1.45; color: var(--body-text-color);
h1 { font-size: 20px; font-weight: 600; margin: 0; }
h2 { font-size: 15px; font-weight: 600; margin: 20px 0 6px; }
p { margin: 6px 0; max-width: 75em; }
ul { margin: 6px 0; padding-left: 1.4em; list-style: disc; }
a { color: var(--link-text-color); text-decoration: underline; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: 6px 14px 6px 0; text-align: left; vertical-align: top; }
th { font-weight: 600; border-bottom: 1px solid var(--border-color-primary); vertical-align: bottom; }
td { border-bottom: 1px solid var(--border-color-primary); font-variant-numeric: tabular-nums; }
small { display: block; font-size: 12px; opacity: 0.72; white-space: nowrap; }
.part td { border-bottom-style: dotted; }
.part td:first-child { padding-left: 1.2em; opacity: 0.8; }
.number { text-align: right; }
td.number { white-space: nowrap; }
.scroll { overflow-x: auto; }
[role="alert"] { font-weight: 600; color: var(--error-text-color); }
.wide { width: 38%; }
th:first-child { min-width: 120px; }
.bar { display: flex; height: 16px; margin-top: 3px; gap: 1px; overflow: hidden; border-radius: 3px; }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px; }
.keys { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 8px 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px; margin: 6px 0 12px; }
.cards div { border: 1px solid var(--border-color-primary); border-radius: 6px; padding: 8px 14px; }
.cards b { display: block; font-size: 22px; font-weight: 600; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 0 40px; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: currentColor; font-size: 12px; opacity: 0.8; }
svg .grid { stroke: var(--border-color-primary); }
"""

_CHART = (620, 220)  # px at full size: width, height
_MARGINS = (38, 24, 12, 24)  # px: left, right, top, bottom
_TOPS = (2, 4, 6, 10, 20, 30, 40, 50, 60, 80, 100, 120, 160, 200, 300, 400)  # of the axis: half of it is a number too
_TIME_LABELS = 7  # at most
_TIME_STEPS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60, 120, 240, 480, 1440, 2880, 10080))


class Html(str):
    """Text that is HTML and not to be escaped."""

    __slots__ = ()


Cell = str | Html


def table(
    headers: Sequence[Cell], rows: Sequence[Sequence[Cell]], *, bars: int = 0, parts: Sequence[bool] = ()
) -> Html:
    """Headers over rows: the first column is text, column `bars` (if not 0) holds bars, the others numbers.

    `parts` marks rows that refine the one above them.
    """
    classes = ["" if i == 0 else ' class="wide"' if i == bars else ' class="number"' for i in range(len(headers))]
    head = _cells('th scope="col"', headers, classes)
    lines = [_cells("td", row, classes) for row in rows]
    marks = [' class="part"' if part else "" for part in parts] or [""] * len(lines)
    body = "".join(f"<tr{mark}>{line}</tr>" for mark, line in zip(marks, lines, strict=True))
    return Html(f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')


def stacked_bar(counts: Mapping[str, int], colors: Mapping[str, str], *, full: int) -> Html:
    """Parts side by side; the whole width stands for `full`."""
    parts = "".join(
        f'<span style="width:{100 * count / full:.3f}%;background:{colors[name]}" title="{count:,} {escape(name)}">'
        "</span>"
        for name, count in counts.items()
        if count
    )
    return Html(f'<div class="bar">{parts}</div>')


def key(name: str, color: str) -> Html:
    """An entry of a legend."""
    return Html(f'<span><span class="key" style="background:{color}"></span>{escape(name)}</span>')


def keys(colors: Mapping[str, str]) -> Html:
    return Html(f'<div class="keys">{"".join(key(name, color) for name, color in colors.items())}</div>')


def colors_of(names: Sequence[str]) -> dict[str, str]:
    """A color each; they repeat when there are more names than colors."""
    return {name: COLORS[number % len(COLORS)] for number, name in enumerate(names)}


def cards(figures: Sequence[tuple[str, str]]) -> Html:
    """(figure, what it is) each."""
    shown = "".join(f"<div><b>{escape(figure)}</b>{escape(meaning)}</div>" for figure, meaning in figures)
    return Html(f'<div class="cards">{shown}</div>')


def with_note(value: str, note: str) -> Html:
    """A cell with a smaller second line."""
    return Html(f"{escape(value)}<small>{escape(note)}</small>")


def pace_chart(bins: Sequence[PaceBin]) -> Html:
    """Decisions per minute over time, a line each; a line breaks where somebody was away."""
    colors = colors_of(sorted({entry.reviewer for entry in bins}))
    first, last = min(entry.start for entry in bins), max(entry.start + entry.width for entry in bins)
    top = _round_up(max(entry.per_minute for entry in bins))
    left, right, above, below = _MARGINS

    def x(moment: datetime) -> float:
        return left + (moment - first) / (last - first) * (_CHART[0] - left - right)

    def y(per_minute: float) -> float:
        return above + (1 - per_minute / top) * (_CHART[1] - above - below)

    drawn = [_horizontal(y(value), f"{value:g}") for value in (0, top / 2, top)]
    drawn += [
        f'<text x="{x(moment):.0f}" y="{_CHART[1] - 6}" text-anchor="middle">{label}</text>'
        for moment, label in _time_labels(first, last)
    ]
    for run in _runs(bins):
        points = [(x(entry.start + entry.width / 2), y(entry.per_minute)) for entry in run]
        path, color = " ".join(f"{px:.1f},{py:.1f}" for px, py in points), colors[run[0].reviewer]
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        drawn += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{color}"/>' for px, py in points]
    picture = f'<svg viewBox="0 0 {_CHART[0]} {_CHART[1]}" role="img" aria-label="decisions per minute over time">'
    return Html(f"{keys(colors)}{picture}{''.join(drawn)}</svg>")


def _runs(bins: Sequence[PaceBin]) -> list[list[PaceBin]]:
    """Bins of one reviewer that follow on each other."""
    runs: list[list[PaceBin]] = []
    for entry in bins:
        before = runs[-1][-1] if runs else None
        if before and before.reviewer == entry.reviewer and before.start + before.width == entry.start:
            runs[-1].append(entry)
        else:
            runs.append([entry])
    return runs


def _time_labels(first: datetime, last: datetime) -> list[tuple[datetime, str]]:
    """Round moments in between, and how they are written."""
    step = next((step for step in _TIME_STEPS if (last - first) / step <= _TIME_LABELS), (last - first) / _TIME_LABELS)
    moment, labels = round_down(first, step), []
    while moment <= last:
        if moment >= first:
            labels.append((moment, f"{moment:%H:%M}" if step < timedelta(days=1) else f"{moment.day} {moment:%b}"))
        moment += step
    return labels


def _horizontal(y: float, label: str) -> str:
    line = f'<line class="grid" x1="{_MARGINS[0]}" x2="{_CHART[0] - _MARGINS[1]}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return f'{line}<text x="{_MARGINS[0] - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'


def _round_up(value: float) -> float:
    """To a number that is easy to read."""
    return next((top for top in _TOPS if value <= top), math.ceil(value / _TOPS[-1]) * _TOPS[-1])


def _cells(tag: str, cells: Sequence[Cell], classes: Sequence[str]) -> str:
    return "".join(
        f"<{tag}{mark}>{cell if isinstance(cell, Html) else escape(cell)}</{tag[:2]}>"
        for mark, cell in zip(classes, cells, strict=True)
    )
