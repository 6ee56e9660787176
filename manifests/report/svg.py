"""A plot as SVG inside a page: text stays text, colours are those of the page's theme, ids are unique."""

import io
import re
import warnings
from html import escape

from manifests.pixels.colors import COLORS, STATUS_COLORS
from manifests.report.plots import INK, LINE, PAPER, Plot, style

WIDTH_INCHES = 4.9  # 353 px, a phone's width: text is unscaled there
BAR_INCHES = 0.27
AROUND_INCHES = 0.95  # legend, numbers and label of the axis

# Replacements of the plots' colours; the page's style sheet defines them for light and dark.
_THEME = {
    INK: "currentColor",
    LINE: "var(--line)",
    PAPER: "var(--page)",
    **{color: f"var(--{status})" for status, color in STATUS_COLORS.items()},
    **{color: f"var(--series-{index})" for index, color in enumerate(COLORS)},
}


def inline_svg(plot: Plot) -> str:
    """The element `svg`, with the plot's text alternative as its accessible name; the same plot gives the same text."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    settings = {**style(), "svg.hashsalt": plot.title}
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the page's fonts have glyphs that DejaVu lacks
        figure = Figure(figsize=(WIDTH_INCHES, height_inches(plot)), layout="constrained")
        plot.draw(figure.subplots())
        figure.savefig(
            buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    return _for_page(buffer.getvalue(), plot)


def height_inches(plot: Plot) -> float:
    return AROUND_INCHES + BAR_INCHES * max(3, plot.lines)


def _for_page(svg: str, plot: Plot) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<(g|text) id="[^"]*"', r"<\1", svg)
    svg = re.sub("|".join(_THEME), lambda match: _THEME[match[0]], svg)
    view = re.search(r'viewBox="[^"]*"', svg)
    assert view
    name = f'role="img" aria-label="{escape(plot.alt)}"'
    return re.sub(r"<svg[^>]*>", lambda _: f"<svg {view[0]} {name}>", svg, count=1).strip()
