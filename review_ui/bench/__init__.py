"""`python -m review_ui.bench`: speed of the queue and of the page.

__main__.py  the command line
browser.py   what a person in front of the page waits for, in a real Chromium driven by playwright
clients.py   many reviewers at once, over HTTP: each asks for samples and posts a verdict on
queue.py     datasets for the bench: any number of samples that wait for review, over a few real
"""
