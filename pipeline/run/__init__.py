"""A run: workers, task runners, progress.

artifacts.py         progress, counts and report on Prefect's pages
here.py              a run without Prefect
part_commits.py      versions of a run that is still at work
plan.py              a planned run, with Prefect and without
prefect_settings.py  whether Prefect's settings name a server
progress_bar.py      one bar for the whole run, on a terminal
runners.py           where shards are labelled: this process, a Dask or a Ray cluster
worker.py            what a worker does with one shard
"""
