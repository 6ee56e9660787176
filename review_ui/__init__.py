"""The review page: a person accepts or rejects each mask in about a second; a team does so at once.

The work, with no web in it:
    queue.py        the samples of one version that wait for a verdict, most doubtful first, in bands
    standing.py     the decision log in memory: what stands, by mask and by reviewer
    leases.py       who has which sample on the screen, and until when
    mix.py          gold samples and repeats, mixed into the stream
    submission.py   one decision as a client sends it, or why it is none
    session.py      next, decide, undo, release, publish: everything the page does

What is known about the reviewers:
    damage.py, gold_making.py, gold.py       masks whose right verdict is known
    trust.py, error_rates.py, agreement.py   error rates with intervals, what slipped through, kappa
    pace.py, tally.py, board.py              work per hour, counts by source and doubt, all at one moment

The web:
    reviewer.py, users.py, password.py                       who may sign in
    doorkeeper.py, tokens.py, throttle.py, sign_in*.py       signing in, an ASGI layer around the app
    guard.py        keeps other sites' pages away from a server on this machine
    desk.py         one thread between the web and the session; commits are shared
    api.py          the session over HTTP (FastAPI)
    download.py     the decisions as a file
    paths.py        which paths are whose
    page.py         the review page; static/ is the viewer itself
    lead*.py        the lead's page, which is Gradio's; late_page.py starts it when it is first asked for
    server.py       the whole app
    __main__.py     `python -m review_ui`; users_command.py is `python -m review_ui users`
    bench*.py       `python -m review_ui.bench`

In static/: start.js, review.js and screen.js (what is on screen and what a key does), feed.js (what comes next),
outbox.js (decisions on their way to the server), stage.js and grid.js (one sample, or a page of them).
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported: nothing here phones home
