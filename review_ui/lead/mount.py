"""The lead's page as an app of its own (Gradio). Importing this takes seconds."""

import gradio as gr
from fastapi import FastAPI

from review_ui.lead.page import lead_blocks
from review_ui.lead.snapshot import LeadSession

_SYSTEM_FONTS = ["system-ui", "sans-serif"]  # Gradio's own fonts would come over the network


def lead_app(session: LeadSession, path: str) -> FastAPI:
    """An app that answers at `path` and below; the caller must protect the route."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gr.mount_gradio_app(
        app,
        lead_blocks(session),
        path=path,
        theme=gr.themes.Base(font=_SYSTEM_FONTS, font_mono=["monospace"]),
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        show_error=False,
    )
    return app
