"""Writing a report: a version's statistics -> one HTML page or one PNG."""

import logging
from collections.abc import Sequence
from pathlib import Path

from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.report.limits import PORTRAITS_DRAWN
from manifests.report.page import page
from manifests.report.picture import picture
from manifests.report.pictures import Looked, brightness, look_alikes, portraits
from manifests.report.sections import sections
from manifests.upkeep.stats import Statistics

logger = logging.getLogger(__name__)

SUFFIXES = (".html", ".png")


def write_report(numbers: Statistics, path: Path, *, portraits_drawn: int = PORTRAITS_DRAWN) -> None:
    """Write the report in the format of the suffix, whole or not at all; the same version gives the same bytes.

    UserError for another suffix. Pictures that can't be read are logged as one warning, and listed in the report.
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
    """Log one line for all; an image asked for twice counts once."""
    problems = list(dict.fromkeys(problem for looked in looks for problem in looked.problems))
    if problems:
        logger.warning("%s picture(s) can't be read, the first: %s", f"{len(problems):,}", problems[0])
