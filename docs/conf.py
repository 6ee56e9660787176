"""Sphinx's configuration: `make docs` builds the site of these pages, strictly; the reference is written first."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]

from reference import write_reference  # noqa: E402

from manifests import __version__  # noqa: E402

write_reference(DOCS / "reference")

project = "maskfoundry"
release = __version__
copyright = "the maskfoundry authors"  # noqa: A001 - Sphinx's name
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_static_path = html_css_files = ["site.css"]
html_title = f"maskfoundry {__version__}"
html_show_sphinx = False
html_copy_source = False
myst_heading_anchors = 4  # the pages link to headings as GitHub names them
nitpicky = True
