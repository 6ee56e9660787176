"""What the server answers before there is a version: browsers get a page that shows how far the first masks are."""

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from manifests.store.labelling_runs import LabellingProgress
from review_ui.web.reloading_page import reloading_page

_HEADERS = {"Cache-Control": "no-store", "Retry-After": "2"}
_NO_VERSION = "expected a version to review, found none yet; pipeline.generate makes one"


def first_masks_app(progress: Callable[[], LabellingProgress | None]) -> ASGIApp:
    """An app that answers 503 to everything: a page that reloads by itself to browsers, one line to programs."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _answer(scope, progress())(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1013, "reason": _NO_VERSION})

    return app


def _answer(scope: Scope, progress: LabellingProgress | None) -> Response:
    if "text/html" not in Headers(scope=scope).get("accept", ""):
        return JSONResponse({"error": _NO_VERSION}, 503, _HEADERS)
    return HTMLResponse(reloading_page(_line(progress)), 503, _HEADERS)


def _line(progress: LabellingProgress | None) -> str:
    if progress is None:
        return "There are no masks yet. This page opens with the first ones."
    counts = f"{progress.labelled} of {progress.total}"
    return f"The first masks are being made: {counts} photographs are labelled. This page opens with them."
