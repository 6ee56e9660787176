"""`python -m manifests.bench`: speed and memory of the store; simulated audits.

__main__.py    the command line
acceptance.py  `python -m manifests.bench.acceptance`: does the bound of `accept` hold, and how many looks does it save
measure.py     `python -m manifests.bench`: how long operations on a dataset of N made-up rows
rows.py        made-up rows by the million for `manifests.bench`: columns as a real dataset has
"""
