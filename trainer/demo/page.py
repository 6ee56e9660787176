"""The page of `python -m trainer.demo`. The only module of trainer that imports gradio, which takes seconds."""

from collections.abc import Sequence
from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from skimage import data
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from manifests.errors import UserError
from manifests.pixels.images import decode_image
from trainer.demo.cards import Contestant, error_html, results_html

STYLE = Path(__file__).parent / "demo.css"
OPACITY_PERCENT = 55
MAX_UPLOAD = "64mb"  # four times a phone's largest photograph
CLEAN_UP_SECONDS = (30, 60)  # how often, and from which age on; for uploads that never reached `compare_upload`
TITLE = "Person segmentation, side by side"

_SYSTEM_FONTS = ["system-ui", "sans-serif"]  # Gradio's own fonts would come over the network
_SET_OPACITY = "(percent) => document.documentElement.style.setProperty('--opacity', percent / 100)"
# Gradio's front end needs inline and evaluated scripts; no request may leave this server.
_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'"
)


def demo_app(contestants: Sequence[Contestant], host_names: Sequence[str]) -> ASGIApp:
    """The application; it answers only under `host_names` ("*" for any), against DNS rebinding."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gr.mount_gradio_app(
        app,
        demo_blocks(contestants),
        path="/",
        theme=gr.themes.Base(font=_SYSTEM_FONTS, font_mono=["monospace"]),
        css=STYLE.read_text(),
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        show_error=True,
        max_file_size=MAX_UPLOAD,
    )
    return TrustedHostMiddleware(_OwnRequestsOnly(app), list(host_names), www_redirect=False)


def demo_blocks(contestants: Sequence[Contestant]) -> gr.Blocks:
    """The page: an image in, one card per network out."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=CLEAN_UP_SECONDS) as blocks:
        gr.HTML(f"<h1>{TITLE}</h1><p>Images stay on this page's server and are not kept.</p>")
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                picture = gr.Image(
                    label="Image", sources=["upload", "webcam", "clipboard"], type="filepath", image_mode=None,
                    buttons=[], height=280, elem_id="picture", alt_text="The image to segment",
                )  # fmt: skip
                example = gr.Button("Try an example", elem_id="example")
                opacity = gr.Slider(0, 100, OPACITY_PERCENT, step=1, label="Overlay opacity, %", elem_id="opacity")
            with gr.Column(scale=3, min_width=300):
                results = gr.HTML("", elem_id="results")
        picture.input(lambda path: compare_upload(path, contestants), picture, results, api_visibility="private")
        example.click(
            lambda: (None, results_html(data.astronaut(), contestants)), None, [picture, results],
            api_visibility="private",
        )  # fmt: skip
        opacity.input(None, opacity, None, js=_SET_OPACITY, api_visibility="private")
    return blocks


def compare_upload(path: str | None, contestants: Sequence[Contestant]) -> str:
    """The cards of an uploaded image, whose file is deleted once it is read; empty without one."""
    if path is None:
        return ""
    encoded = Path(path).read_bytes()
    Path(path).unlink()
    try:
        return results_html(decode_image(encoded), contestants)
    except UserError as error:
        return error_html(error)


class _OwnRequestsOnly:
    """Sends a policy that restricts the page to requests to this server."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(
                    {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
                )
            await send(message)

        await self._app(scope, receive, send_with_policy)
