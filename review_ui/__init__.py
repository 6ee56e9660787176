"""The review page: a person accepts or rejects each mask in about a second; a team does so at once.

    reviewer.py  who decides, and what they may do
    routes.py    which paths are open, whose, and the lead's
    auth/        signing in, an ASGI layer around the app
    quality/     error rates of reviewers and masks
    queue/       next, decide, undo, publish: the work with no web in it
    lead/        the lead's page, which is Gradio's
    web/         the API (FastAPI) and the review page; static/ is the viewer itself
    app.py       the ASGI application: API, review page, lead page, sign-in
    bench/       `python -m review_ui.bench`
    __main__.py  `python -m review_ui`

In static/: start.js, review.js (what a key does), show/ (what is on screen), picture/ (images and masks in a canvas),
sync/ (what comes next, and decisions on their way to the server), lib/ (requests, settings, ids).
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported: nothing here phones home
