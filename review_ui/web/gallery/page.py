"""The gallery as an HTML page: filters in a form, masks as cards, each a link to the review page."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from review_ui.queue.open_samples import file_name
from review_ui.web.gallery.cards import GalleryPage
from review_ui.web.gallery.filters import ORDERS, STATUSES

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def gallery_html(page: GalleryPage, *, version: str) -> str:
    """The page; its links are relative to the address /masks."""
    template = _ENVIRONMENT.get_template("gallery.html")
    return template.render(page=page, version=version, statuses=STATUSES, orders=ORDERS, file_name=file_name)
