"""A page of one line that reloads by itself, for a browser that waits for another page."""

from html import escape
from string import Template

_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">$refresh<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>One moment</title>
<p style="margin: 40vh auto; max-width: 34em; padding: 0 1em; text-align: center; font: 18px system-ui, sans-serif"
role="status">$line</p>
</html>
""")


def reloading_page(line: str, *, reloads: bool = True) -> str:
    """Make the page, as HTML; unless it `reloads`, it stays."""
    refresh = '<meta http-equiv="refresh" content="1">' if reloads else ""
    return _PAGE.substitute(refresh=refresh, line=escape(line, quote=False))
