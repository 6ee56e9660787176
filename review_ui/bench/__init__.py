"""`python -m review_ui.bench`: speed of the queue and of the page.

__main__.py  the command line
browser.py   waiting times on the page, in a real Chromium driven by playwright
clients.py   many reviewers at once, over HTTP
queue.py     datasets of any number of samples that wait for review
"""
