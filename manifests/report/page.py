"""The report as one HTML file: style and images inside, no script, nothing to load. All text is escaped here."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from manifests.pixels.images import encode_jpeg
from manifests.report.pictures import Tile, Tiles
from manifests.report.sections import Section, status_totals
from manifests.report.svg import inline_svg
from manifests.report.tables import Cell, Table
from manifests.upkeep.stats import Statistics, printable

TILE_QUALITY = 80

_STYLE = Path(__file__).with_name("page.css")


def page(numbers: Statistics, content: Sequence[Section]) -> str:
    """The whole page; a table is scrolled by itself where it is wider than the screen."""
    manifest = numbers.manifest
    name = escape(printable(manifest.path.name))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Portraits: {name}</title>
<link rel="icon" href="data:,">
<style>
{_STYLE.read_text()}</style>
</head>
<body>
<header>
<h1>{numbers.rows:,} portraits with masks</h1>
<p>Version {manifest.version} of the dataset, made {manifest.created_at:%d %B %Y, %H:%M} UTC by
“{escape(printable(manifest.operation))}”.
<br>{name}, SHA-256 <code>{manifest.digest}</code></p>
{_cards(numbers)}
<nav aria-label="Sections">{"".join(f'<a href="#{_anchor(section)}">{section.title}</a>' for section in content)}</nav>
</header>
<main>
{"".join(map(_section, content))}</main>
</body>
</html>
"""


def _cards(numbers: Statistics) -> str:
    sources = len(numbers.count("source"))
    figures = [
        *((f"{count:,}", status) for status, count in status_totals(numbers).items()),
        (f"{len(numbers.groups):,}", "near-duplicate groups"),
        (f"{sources:,}", "source" if sources == 1 else "sources"),
    ]
    shown = "".join(f"<div><dt>{what}</dt><dd>{figure}</dd></div>" for figure, what in figures)
    return f'<dl class="cards">{shown}</dl>'


def _section(section: Section) -> str:
    notes = "".join(f"<p>{escape(note)}</p>\n" for note in section.notes)
    plots = "".join(
        f"<figure><figcaption>{escape(plot.title)}</figcaption>{inline_svg(plot)}</figure>\n" for plot in section.plots
    )
    tables = "".join(map(_table, section.tables))
    sheets = "".join(map(_tiles, section.sheets))
    return (
        f'<section id="{_anchor(section)}"><h2>{escape(section.title)}</h2>\n{notes}'
        f'<div class="shown">\n{plots}{tables}</div>\n<div class="sheets">\n{sheets}</div></section>\n'
    )


def _table(table: Table) -> str:
    head = "".join(
        f'<th scope="col"{"" if index < table.names else _NUMBER}>{escape(header)}</th>'
        for index, header in enumerate(table.headers)
    )
    body = "".join(f"<tr>{_row(row, table.names)}</tr>\n" for row in table.rows)
    caption = escape(table.caption)
    return (
        f'<div class="scroll" role="region" aria-label="{caption}" tabindex="0"><table><caption>{caption}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n"
    )


_NUMBER = ' class="number"'


def _row(row: Sequence[Cell], names: int) -> str:
    heads = "".join(f'<th scope="row">{escape(str(cell))}</th>' for cell in row[:names])
    return heads + "".join(f"<td{_NUMBER}>{_number(cell)}</td>" for cell in row[names:])


def _number(cell: Cell) -> str:
    return f"{cell:,}" if isinstance(cell, int) else escape(str(cell))


def _tiles(sheet: Tiles) -> str:
    shown = f"{len(sheet.tiles):,} of {sheet.total:,}"
    tiles = "".join(map(_tile, sheet.tiles)) or "<li>None of them can be read.</li>"
    return f"<div><h3>{escape(sheet.title)} <small>{shown}</small></h3>\n<ul>\n{tiles}</ul></div>\n"


def _tile(tile: Tile) -> str:
    height, width = tile.rgb.shape[:2]
    data = base64.b64encode(encode_jpeg(tile.rgb, TILE_QUALITY)).decode()
    caption = f"<span>{escape(tile.caption)}</span>" if tile.caption else ""
    return (
        f'<li><img src="data:image/jpeg;base64,{data}" width="{width}" height="{height}" alt="{escape(tile.alt)}">'
        f"{caption}</li>\n"
    )


def _anchor(section: Section) -> str:
    return section.title.lower()
