"""`python -m trainer.compare`: fit several arms with several seeds and compare them.

__main__.py           the command line
arms.py               `--arm NAME=OPTIONS`
bootstrap.py          differences of two arms, with intervals over pictures and seeds
experiment.py         the runs one after the other, and the tables
per_image_metrics.py  the figures of every picture, and the metrics of any draw of them
report.py             tables and plot
result.py             what a comparison is about and has found
run.py                one arm with one seed: fitted, measured
"""
