"""The review page as a Gradio app: the viewer as a component, and the Blocks at /app with the tabs Review and Lead.

`MaskReview` can stand in anybody's own Blocks, beside the review server's routes on the same address:

    review = review_app("manifests")  # of review_ui.app
    with gr.Blocks() as blocks:
        gr.Markdown("# Portraits of the week")
        MaskReview("/review/")
    app = FastAPI()
    app.mount("/review", review)
    gr.mount_gradio_app(app, blocks, path="/")

Keys, touch, repair and sign-in are those of the review page: it is the same custom element, and decisions go through
the same API, never through Gradio's queue. Importing this takes seconds.
"""

import re
from typing import Any

import gradio as gr

from manifests.errors import UserError
from review_ui.lead.page import lead_tab
from review_ui.lead.snapshot import LeadSession

_SITE = re.compile(r"[A-Za-z0-9._~/:@-]*/")  # what needs no escape, in HTML and in Gradio's templates
_LOAD = "import(new URL('{site}viewer/mask_review.js', document.baseURI));"
TIGHT = """
.app.fillable { padding: 0 8px !important; }
.html-container:has(mask-review) { padding: 0 !important; }
"""  # the viewer wants the room


def MaskReview(site: str = "/", *, height: str = "90dvh", **options: Any) -> gr.HTML:  # noqa: N802 - as components are named
    """The viewer of the review page as a component. One to a page, since it listens to the page's keys.

    `site` is where the review server's routes begin for the browser, relative to the page or not, with a slash at its
    end; `height` is any CSS length. The other options are those of `gr.HTML`. Raises UserError for another `site`.
    """
    if not _SITE.fullmatch(site):
        raise UserError(f"expected the path of a review server such as /review/, found {ascii(site)[:80]}")
    return gr.HTML(
        html_template=f'<mask-review style="height: {height}; min-height: 300px"></mask-review>',
        js_on_load=_LOAD.format(site=site),
        apply_default_css=False,
        **options,
    )


def review_blocks() -> gr.Blocks:
    """The Gradio app of reviewers: nothing but the viewer, on a page right below the site's beginning."""
    with _blocks() as blocks:
        MaskReview("../", height="100dvh")
    return blocks


def team_blocks(session: LeadSession) -> gr.Blocks:
    """The Gradio app of leads: the tabs Review and Lead."""
    with _blocks() as blocks, gr.Tabs():
        with gr.Tab("Review"):
            MaskReview("../", height="calc(100dvh - 52px)")  # what the tabs leave
        lead_tab(session)
    return blocks


def _blocks() -> gr.Blocks:
    return gr.Blocks(title="Mask review", analytics_enabled=False, fill_width=True)
