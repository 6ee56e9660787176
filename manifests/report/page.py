"""The report as one HTML file: style and images inside, no script, nothing to load. Jinja2 escapes all text."""

import base64
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from manifests.pixels.images import encode_jpeg
from manifests.report.pictures import Tile
from manifests.report.plots import Plot
from manifests.report.sections import Section, status_totals
from manifests.report.svg import inline_svg
from manifests.upkeep.stats import Statistics, printable

TILE_QUALITY = 80


def page(numbers: Statistics, content: Sequence[Section]) -> str:
    """The page as HTML text; tables wider than the screen scroll separately."""
    environment = Environment(
        loader=PackageLoader("manifests.report"), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters.update(svg=_svg, jpeg=_jpeg_url)
    manifest, sources = numbers.manifest, len(numbers.count("source"))
    figures = [
        *((count, status) for status, count in status_totals(numbers).items()),
        (len(numbers.groups), "near-duplicate groups"),
        (sources, "source" if sources == 1 else "sources"),
    ]
    return environment.get_template("page.html").render(
        manifest=manifest,
        name=printable(manifest.path.name),
        operation=printable(manifest.operation),
        rows=numbers.rows,
        figures=figures,
        content=content,
    )


def _svg(plot: Plot) -> Markup:
    return Markup(inline_svg(plot))  # noqa: S704 - matplotlib escapes its text


def _jpeg_url(tile: Tile) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(encode_jpeg(tile.rgb, TILE_QUALITY)).decode()}"
