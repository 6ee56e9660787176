"""`python -m manifests.bench`: speed and memory of the store.

__main__.py  the command line
measure.py   `python -m manifests.bench`: how long operations on a dataset of N made-up rows
rows.py      made-up rows by the million for `manifests.bench`: columns as a real dataset has
"""
