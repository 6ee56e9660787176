"""A run: workers, task runners, and its progress for people.

artifacts.py     how far a run is and what it made, on Prefect's pages
progress_bar.py  the same in a terminal: one bar for the whole run
runners.py       where shards are labelled: this process, a Dask or a Ray cluster
worker.py        what a worker does with one shard
"""
