"""`python -m trainer.bench`: training speed, loading speed and latency.

__main__.py  the command line
latency.py   exported networks, their time and where it goes
timing.py    medians of calls that take turns
training.py  `python -m trainer.bench`: SINet's speed on this machine's CPU, as ratios against
"""
