"""`python -m trainer.bench`: training speed, loading speed and latency.

__main__.py     the command line
data.py         made-up samples, loaded and augmented as SINet's authors do
latency.py      exported networks, their time and where it goes
own_process.py  candidates in a process of their own, and its peak memory
timing.py       medians of calls that take turns
training.py     SINet in inference and training, against named baselines
"""
