"""`python -m trainer.bench`: training speed, loading speed, latency, and tables of SINet's paper.

__main__.py     the command line
data.py         synthetic samples, loaded and augmented as SINet's authors do
gpu.py          training steps on one device, `make bench-gpu`
latency.py      time of exported networks, in total and by operation
own_process.py  candidates in a process of their own, and its peak memory
tables/         tables of SINet's paper, rerun
timing.py       medians of interleaved calls
training.py     SINet in inference and training, against named baselines
"""
