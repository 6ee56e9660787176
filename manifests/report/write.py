"""Write a report: a version's statistics -> one HTML page or one PNG."""

import logging
from collections.abc import Sequence
from pathlib import Path

from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.report.limits import PORTRAITS_DRAWN
from manifests.report.page import page
from manifests.report.picture import picture
from manifests.report.pictures import ReadImages, brightness, look_alikes, portraits
from manifests.report.sections import sections
from manifests.upkeep.stats import Statistics

logger = logging.getLogger(__name__)

SUFFIXES = (".html", ".png")


def write_report(numbers: Statistics, path: Path, *, portraits_drawn: int = PORTRAITS_DRAWN) -> None:
    """Write the report in the format of the suffix, whole or not at all; the same version gives the same bytes.

    UserError for another suffix. Images that can't be read are counted in one warning and in the report.
    """
    check_suffix(path)
    bright = brightness(numbers.manifest, numbers.rows)
    sheets = portraits(numbers, portraits_drawn) if portraits_drawn else []
    alike = look_alikes(numbers) if portraits_drawn else []
    _warn([bright.images, *(sheet.images for sheet in (*sheets, *alike))])
    content = sections(numbers, bright, sheets, alike)
    is_page = path.suffix.lower() == ".html"
    write_replace(path, page(numbers, content).encode() if is_page else picture(numbers, content))


def check_suffix(path: Path) -> None:
    """UserError unless the suffix is one of SUFFIXES."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"expected a report's name such as report.html or report.png, found {path}")


def _warn(reads: Sequence[ReadImages]) -> None:
    """Log one warning for all; an image read twice counts once."""
    problems = list(dict.fromkeys(problem for images in reads for problem in images.problems))
    if problems:
        logger.warning("%s image(s) can't be read, the first: %s", f"{len(problems):,}", problems[0])
