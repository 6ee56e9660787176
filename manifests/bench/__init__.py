"""`python -m manifests.bench`: speed and memory of the store; simulated audits.

__main__.py    the command line
acceptance.py  `python -m manifests.bench.acceptance`: does the bound of `accept` hold, and how many looks does it save
headline.py    the figures of all benches as one table, at the end of `make bench`
measure.py     time and memory of operations on N synthetic rows
rates.py       images per second of named calls within a time budget, for `make bench-gpu`
rows.py        synthetic rows, with a real dataset's columns
"""
