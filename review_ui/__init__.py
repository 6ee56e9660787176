"""The review page: a person accepts or rejects each mask in about a second; a team works at the same time.

    reviewer.py   a signed-in person and their role
    routes.py     the paths of the lead's page and of the Gradio app
    auth/         signing in, an ASGI layer around the app
    quality/      error rates of reviewers and masks
    repair/       what strokes and keys make of a mask
    queue/        next, decide, undo, publish, without the web
    lead/         the lead's page (Gradio)
    web/          the API (FastAPI) and the review page; static/ is the viewer itself
    gradio_app.py  the viewer as a Gradio component, and the Blocks at /app
    client.py     a client of the API, for scripts
    app.py        the ASGI application: API, review page, lead's page, Gradio app, sign-in
    bench/        `python -m review_ui.bench`
    __main__.py   `python -m review_ui`

In static/: mask_review.js (the custom element), review.js (what a key does), show/ (the screen), picture/ (images and
masks in a canvas), repair/ (the editor), sync/ (prefetched samples and decisions on their way to the server), lib/
(requests, settings, ids).
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported: nothing here phones home
