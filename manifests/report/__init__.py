"""A version's report for people: one self-contained HTML page, or its plots and portraits as one PNG.

    page.py      the report as one HTML file: style and pictures inside, no script, nothing to load.
    picture.py   the report's plots and portraits as one PNG, on white
    pictures.py  what a report shows of the pixels: the brightness of a sample of pictures, and tiles
    plots.py     the plots of a report: each knows its title, the same in words, and how to draw
    sections.py  a report's sections of plots and tables, in order
    svg.py       a plot as SVG in the colours of the page's theme
    tables.py    tables of a report: names, then numbers

It shows people's faces wherever portraits are drawn; with none (`portraits_drawn` 0) it is numbers, tables and plots.
matplotlib is loaded when the first plot is drawn, and by nothing else in this room.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.report.page import page
from manifests.report.picture import picture
from manifests.report.pictures import Looked, brightness, look_alikes, portraits
from manifests.report.sections import sections
from manifests.upkeep.stats import Statistics

SUFFIXES = (".html", ".png")
PORTRAITS_DRAWN = 24  # of each status


def write_report(numbers: Statistics, path: Path, *, portraits_drawn: int = PORTRAITS_DRAWN) -> None:
    """Write the report in the format of the suffix, whole or not at all; the same version gives the same bytes.

    UserError for another suffix. Pictures that can't be read are told on standard error, and in the report.
    """
    check_suffix(path)
    bright = brightness(numbers.manifest, numbers.rows)
    drawn = portraits(numbers, portraits_drawn) if portraits_drawn else []
    alike = look_alikes(numbers) if portraits_drawn else []
    _warn([bright.looked, *(sheet.looked for sheet in (*drawn, *alike))])
    content = sections(numbers, bright, drawn, alike)
    as_page = path.suffix.lower() == ".html"
    write_replace(path, page(numbers, content).encode() if as_page else picture(numbers, content))


def check_suffix(path: Path) -> None:
    """UserError when no report can be written to a file of this name."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"expected a report's name such as report.html or report.png, found {path}")


def _warn(looks: Sequence[Looked]) -> None:
    """One line for all; a picture that was wanted twice counts once."""
    problems = list(dict.fromkeys(problem for looked in looks for problem in looked.problems))
    if problems:
        print(f"warning: {len(problems):,} picture(s) can't be read, the first: {problems[0]}", file=sys.stderr)
