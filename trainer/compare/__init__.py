"""`python -m trainer.compare`: fit several arms with several seeds and compare them.

__main__.py           the command line
arms.py               `--arm NAME=OPTIONS`
bootstrap.py          differences of two arms, with intervals over images and seeds
experiment.py         the runs one after the other, and the tables
per_image_metrics.py  per-image figures, and the metrics of any draw of images
report.py             tables and plot
result.py             the arms of a comparison and their figures
run.py                one arm with one seed: fitted, measured
"""
