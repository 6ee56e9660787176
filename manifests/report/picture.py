"""The report's plots and portraits as one PNG, on white."""

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from manifests.pixels.contact_sheet import GAP_PX, TILE_PX, arranged
from manifests.pixels.geometry import Pixels
from manifests.report.pictures import MEMBERS_DRAWN
from manifests.report.plots import Plot, style
from manifests.report.sections import Section, status_totals
from manifests.report.svg import AROUND_INCHES, WIDTH_INCHES, height_inches
from manifests.upkeep.stats import Statistics, printable

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

COLUMNS = 3
TILES_A_ROW = 12
DPI = 120
HEAD_INCHES = 0.8
TITLE_INCHES = 0.4
SHEET_WIDTH_PX = TILES_A_ROW * (TILE_PX + GAP_PX) + GAP_PX

_GAP = np.full((TILE_PX, TILE_PX, 3), 255, np.uint8)


def picture(numbers: Statistics, content: Sequence[Section]) -> bytes:
    """The report as PNG bytes; the same version gives the same bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    plots = [plot for section in content for plot in section.plots]
    lines = [plots[start : start + COLUMNS] for start in range(0, len(plots), COLUMNS)]
    sheets = [sheet for section in content for sheet in _sheets(section)]
    width = WIDTH_INCHES * COLUMNS
    heights = [max(map(height_inches, line)) + TITLE_INCHES for line in lines]
    heights += [width * rgb.shape[0] / rgb.shape[1] + TITLE_INCHES for _, rgb in sheets]
    buffer = io.BytesIO()
    with mpl.rc_context(style()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in letters that the font lacks
        figure = Figure(figsize=(width, sum(heights) + HEAD_INCHES), dpi=DPI)
        parts = figure.subfigures(len(heights) + 1, 1, height_ratios=[HEAD_INCHES, *heights], squeeze=False)[:, 0]
        parts[0].text(0.01, 0.5, _heading(numbers), fontsize="x-large", va="center")
        for part, line in zip(parts[1:], lines, strict=False):
            _draw_plots(part, line)
        for part, (title, rgb) in zip(parts[len(lines) + 1 :], sheets, strict=True):
            _draw_sheet(part, title, rgb)
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw_plots(part: "SubFigure", plots: Sequence[Plot]) -> None:
    """Draw each plot below its title, in a third of the width and its own height."""
    height = part.bbox.height / DPI
    for column, plot in enumerate(plots):
        axes = part.add_subplot()
        plot.draw(axes)
        axes.set_title(plot.title, loc="left", fontweight="bold", fontsize="medium", pad=26)
        inner = height_inches(plot) - AROUND_INCHES
        axes.set_position(
            ((column + 0.3) / COLUMNS, 1 - (0.7 + inner) / height, 0.65 / COLUMNS, inner / height), which="both"
        )


def _draw_sheet(part: "SubFigure", title: str, rgb: Pixels) -> None:
    height = part.bbox.height / DPI
    axes = part.add_axes((0, 0, 1, 1 - TITLE_INCHES / height))
    axes.imshow(rgb, interpolation="antialiased", aspect="auto")
    axes.set_axis_off()
    part.text(0.01, 1 - 0.65 * TITLE_INCHES / height, title, fontweight="bold")


def _sheets(section: Section) -> list[tuple[str, Pixels]]:
    """Title and RGB of each sheet; sheets of a few tiles are joined, with gaps."""
    sheets = [sheet for sheet in section.sheets if sheet.tiles]
    if sheets and all(len(sheet.tiles) <= MEMBERS_DRAWN for sheet in sheets):
        tiles = [rgb for sheet in sheets for rgb in (*sheet.rgbs, _GAP)]
        return [(f"{section.title}: {', '.join(sheet.title for sheet in sheets)}", _sheet(tiles[:-1]))]
    return [
        (f"{section.title}, {sheet.title}: {len(sheet.tiles):,} of {sheet.total:,}", _sheet(sheet.rgbs))
        for sheet in sheets
    ]


def _sheet(tiles: Sequence[Pixels]) -> Pixels:
    """The tiles on a sheet of SHEET_WIDTH_PX, filled up with white."""
    rgb = arranged(tiles, columns=TILES_A_ROW)
    return np.pad(rgb, ((0, 0), (0, SHEET_WIDTH_PX - rgb.shape[1]), (0, 0)), constant_values=255)


def _heading(numbers: Statistics) -> str:
    statuses = ", ".join(f"{count:,} {status}" for status, count in status_totals(numbers).items())
    return f"{printable(numbers.manifest.path.name)}: {numbers.rows:,} portraits ({statuses})"
