"""The review page: a person accepts or rejects each mask in about a second; a team works at the same time.

    reviewer.py   a signed-in person and their role
    routes.py     the path of the lead's page
    guideline.py  the labelling guideline, which the lead edits
    auth/         signing in, an ASGI layer around the app
    quality/      error rates of reviewers and masks
    repair/       what strokes and keys make of a mask
    queue/        next, decide, undo, publish, without the web
    gallery/      masks that have a verdict, filtered (leads)
    lead/         the lead's page (Gradio)
    web/          the API (FastAPI) and the review page; static/ is the viewer itself
    app.py        the ASGI application: API, review page, lead page, sign-in
    bench/        `python -m review_ui.bench`
    __main__.py   `python -m review_ui`

In static/: start.js, review.js (keys), show/ (the screen), picture/ (images and masks in a canvas), repair/ (the
editor), sync/ (prefetched samples and decisions on their way to the server), lib/ (requests, settings, ids).
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported: nothing here phones home
