"""The Gradio page that holds the viewer. The viewer itself is static/: it talks to the API, not to Gradio.

A decision must not wait for a server's answer (Gradio's own events take 60 ms and drop fast repeats), so the
viewer is one `gr.HTML` whose script holds the next samples decoded. Tables and charts may join it as ordinary
Gradio components.
"""

from html import escape
from pathlib import Path
from string import Template
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).parent / "static"
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

_STYLES = ("review.css", "panels.css")
_HEAD = "".join(f'<link rel="stylesheet" href="/viewer/{name}">' for name in _STYLES) + "".join(
    f'<link rel="modulepreload" href="/viewer/{path.name}">' for path in sorted(STATIC.glob("*.js"))
)
_START = 'import("/viewer/review.js").then((viewer) => viewer.start(element.querySelector("#review")))'
_SYSTEM_FONTS = ["system-ui", "sans-serif"]  # Gradio's own fonts would come over the network


def mount_page(app: FastAPI, dataset: str) -> None:
    """Put the page at / of `app`, behind the routes that are there; `dataset` names the queue in the browser."""
    app.mount("/viewer", _FreshFiles(directory=STATIC))
    gr.mount_gradio_app(
        app,
        _blocks(dataset),
        path="/",
        theme=gr.themes.Base(font=_SYSTEM_FONTS, font_mono=["monospace"]),
        head=_HEAD,
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        show_error=False,
    )


class _FreshFiles(StaticFiles):
    """Files that the browser asks about each time, so that scripts of two releases never mix."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def _blocks(dataset: str) -> gr.Blocks:
    with gr.Blocks(title="Mask review", analytics_enabled=False) as blocks:
        gr.HTML(_viewer_html(dataset), js_on_load=_START, apply_default_css=False)
    return blocks


def _viewer_html(dataset: str) -> str:
    reasons = "".join(
        f'<button type="button" data-reason="{escape(reason)}" disabled><kbd>{key}</kbd>{escape(reason)}</button>'
        for key, reason in enumerate(REASONS, start=1)
    )
    template = Template((STATIC / "review.html").read_text(encoding="utf-8"))
    return template.substitute(dataset=escape(dataset), reasons=reasons)
