"""The review page: a person accepts or rejects each mask in about a second.

    queue.py        the samples of one version that wait for a verdict, most doubtful first
    standing.py     the decision log in memory: what stands, by mask
    submission.py   one decision as a client sends it -> Decision, or why not
    session.py      next, decide, undo, publish: everything the page does, with no web in it
    api.py          the session over HTTP (FastAPI)
    guard.py        keeps other sites' pages away from a server on this machine
    page.py         the Gradio page that holds the viewer; static/ is the viewer itself
    server.py       the address, the whole app on it, and running it
    __main__.py     `python -m review_ui`

In static/: review.js (keys, buttons, what is on screen), outbox.js (decisions on their way to the server),
picture.js and contour.js (photograph, mask and edge on canvases), review.html, review.css.
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported: nothing here phones home
