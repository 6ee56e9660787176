"""Accuracy against a cost, as in figure 1 of SINet: points, labels that don't overlap, the Pareto front."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from manifests.pixels.metrics import Interval

MARK = "sinet"  # the network whose point is filled
_REACHES_PT = (6, 14, 24, 36, 50, 70)  # distances of a label from its point that are tried
_SIDES = ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1))
_HORIZONTAL, _VERTICAL = {1: "left", 0: "center", -1: "right"}, {1: "bottom", 0: "center", -1: "top"}
_LINE = {"arrowstyle": "-", "color": "grey", "linewidth": 0.5, "shrinkA": 0}
_GAP_PX = 2  # around a label
_POINT_PX = 7  # half of the square that a point covers


@dataclass(frozen=True, slots=True)
class Point:
    """A network's cost and score, with the score's interval where it was measured."""

    name: str
    cost: float
    score: float
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """Points against one cost."""

    cost_label: str
    points: Sequence[Point]


def pareto_front(points: Sequence[Point]) -> list[str]:
    """Names of the points that no other beats, by increasing cost: none has as much score at less cost."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.score)):
        if not front or point.score > front[-1].score:
            front.append(point)
    return [point.name for point in front]


def accuracy_plot(panels: Sequence[Panel], score_label: str) -> bytes:
    """PNG of the figure."""
    buffer = io.BytesIO()
    accuracy_figure(panels, score_label).savefig(buffer, format="png")
    return buffer.getvalue()


def accuracy_figure(panels: Sequence[Panel], score_label: str) -> Figure:
    """One panel for each cost, logarithmic; the front is a line, an interval a vertical one."""
    figure = Figure(figsize=(7 * len(panels), 6.5), dpi=120)
    figure.subplots_adjust(left=0.07, right=0.99, bottom=0.08, top=0.98, wspace=0.04)
    every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(every, panels, strict=True):
        _draw(axes, panel)
    every[0].set_ylabel(score_label)
    figure.draw_without_rendering()  # sets the limits, which the labels' places depend on
    for axes, panel in zip(every, panels, strict=True):
        _label(axes, panel.points)
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    by_name = {point.name: point for point in panel.points}
    front = [by_name[name] for name in pareto_front(panel.points)]
    axes.plot([p.cost for p in front], [p.score for p in front], color="grey", linewidth=1, zorder=1)
    for point in panel.points:
        if point.interval:
            axes.plot([point.cost] * 2, point.interval, color="lightgrey", linewidth=1.5, zorder=0)
        face = "black" if point.name == MARK else "white"
        axes.plot(point.cost, point.score, "o", color="black", markerfacecolor=face, markersize=6)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(panel.cost_label)
    axes.grid(alpha=0.3)
    axes.margins(0.12)


def _label(axes: Axes, points: Sequence[Point]) -> None:
    """Write each name at the nearest free place beside its point, joined to it by a line when that is not close."""
    at = axes.transData.transform([(point.cost, point.score) for point in points])
    taken = [Bbox.from_extents(x - _POINT_PX, y - _POINT_PX, x + _POINT_PX, y + _POINT_PX) for x, y in at]
    for point in points:
        xy = point.cost, point.score
        for reach, (right, up) in product(_REACHES_PT, _SIDES):
            offset = reach * right, reach * up
            text = axes.annotate(
                point.name, xy, offset, textcoords="offset points", ha=_HORIZONTAL[right], va=_VERTICAL[up], fontsize=8
            )
            box = text.get_window_extent().padded(_GAP_PX)
            inside = axes.bbox.contains(box.x0, box.y0) and axes.bbox.contains(box.x1, box.y1)
            if inside and not box.count_overlaps(taken):
                if reach > _REACHES_PT[0]:
                    axes.annotate("", xy, offset, textcoords="offset points", arrowprops=_LINE)
                break
            text.remove()
        else:  # no free place; an overlap is better than no name
            box = axes.annotate(point.name, xy, fontsize=8).get_window_extent()
        taken.append(box)
