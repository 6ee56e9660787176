"""The review page: plain HTML around the viewer of static/, which uses the API only. Its links are relative.

It isn't a Gradio page, though the lead's is one (lead/): Gradio takes five seconds to import and a second more
to start in each browser, its events take 60 ms and drop fast repeats, and a reviewer's keys must wait for none of that.
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

_STYLES = ("page.css", "review.css", "panels.css", "phone.css")
_FRESH = {"Cache-Control": "no-cache"}  # revalidated each time, so that scripts of two releases never mix


def mount_page(app: FastAPI, dataset: str) -> None:
    """Put the page at / of `app`; `dataset` names the queue in the browser."""
    page = _page_html(dataset)
    app.mount("/viewer", _FreshFiles(directory=STATIC))

    @app.get("/")
    async def review_page() -> HTMLResponse:
        return HTMLResponse(page, headers=_FRESH)


class _FreshFiles(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(_FRESH)
        return response


def _page_html(dataset: str) -> str:
    styles = "".join(f'<link rel="stylesheet" href="viewer/{name}">' for name in _STYLES)
    scripts = "".join(
        f'<link rel="modulepreload" href="viewer/{path.relative_to(STATIC).as_posix()}">'
        for path in sorted(STATIC.rglob("*.js"))
    )
    reasons = "".join(
        f'<button type="button" data-reason="{escape(reason)}" disabled><kbd>{key}</kbd>{escape(reason)}</button>'
        for key, reason in enumerate(REASONS, start=1)
    )
    viewer = _template("review.html").substitute(dataset=escape(dataset), reasons=reasons)
    return _template("page.html").substitute(head=styles + scripts, viewer=viewer)


def _template(name: str) -> Template:
    return Template((STATIC / name).read_text(encoding="utf-8"))
