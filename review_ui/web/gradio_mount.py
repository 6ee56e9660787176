"""Gradio Blocks as an app of its own. Importing this takes seconds."""

import gradio as gr
from fastapi import FastAPI

_SYSTEM_FONTS = ["system-ui", "sans-serif"]  # Gradio's own fonts would come over the network


def gradio_app(blocks: gr.Blocks, path: str, *, css: str = "") -> FastAPI:
    """An app that answers at `path` and below; the caller must protect the route."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gr.mount_gradio_app(
        app,
        blocks,
        path=path,
        css=css,
        theme=gr.themes.Base(font=_SYSTEM_FONTS, font_mono=["monospace"]),
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        show_error=False,
    )
    return app
