"""Upkeep of a dataset: check it, count it, remove blobs that no version names.

garbage.py  blobs that nothing names any more
stats.py    statistics of one version, counted without making a Python object of any row, and as
verify.py   whether a version keeps what it promises
"""
