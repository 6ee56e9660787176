"""The review page: plain HTML around the viewer, <mask-review>, which uses the API only. Its links are relative.

It isn't a Gradio page: Gradio takes five seconds to import and a second more to start in each browser, its events take
60 ms and drop fast repeats. A Gradio page can hold the same viewer (`gradio_app`), whose keys wait for none of that.
"""

from html import escape
from pathlib import Path
from string import Template
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).parents[1] / "static"
REASONS = (  # of a reject; the keys 1 to 9, in this order
    "missing part",
    "background included",
    "wrong person",
    "held object",
    "hair",
    "bad crop",
    "not a person",
    "bad photo",
    "other",
)

_STYLES = ("base.css", "review.css", "panels.css", "filters.css", "phone.css")  # of the viewer, in this order
_FRESH = {"Cache-Control": "no-cache"}  # revalidated each time, so that scripts of two releases never mix


def mount_page(app: FastAPI, dataset: str) -> None:
    """Put the page at / of `app`; `dataset` names the queue in the browser."""
    markup = _viewer_markup(dataset)
    page = _page_html(markup)

    @app.get("/")
    async def review_page() -> HTMLResponse:
        return HTMLResponse(page, headers=_FRESH)

    @app.get("/viewer/markup.html")
    async def viewer_markup() -> HTMLResponse:
        """What the viewer shows, for other pages that hold it."""
        return HTMLResponse(markup, headers=_FRESH)

    @app.get("/favicon.ico")
    async def no_icon() -> Response:
        return Response(status_code=204)  # browsers ask for one on Gradio's pages

    app.mount("/viewer", _FreshFiles(directory=STATIC))


class _FreshFiles(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(_FRESH)
        return response


def _page_html(viewer: str) -> str:
    scripts = "".join(
        f'<link rel="modulepreload" href="viewer/{path.relative_to(STATIC).as_posix()}">'
        for path in sorted(STATIC.rglob("*.js"))
    )
    return _template("page.html").substitute(scripts=scripts, viewer=viewer)


def _viewer_markup(dataset: str) -> str:
    """Styles and elements of the viewer's shadow root."""
    styles = "".join((STATIC / name).read_text(encoding="utf-8") for name in _STYLES)
    reasons = "".join(
        f'<button type="button" data-reason="{escape(reason)}" disabled><kbd>{key}</kbd>{escape(reason)}</button>'
        for key, reason in enumerate(REASONS, start=1)
    )
    return f"<style>{styles}</style>" + _template("review.html").substitute(dataset=escape(dataset), reasons=reasons)


def _template(name: str) -> Template:
    return Template((STATIC / name).read_text(encoding="utf-8"))
