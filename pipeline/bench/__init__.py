"""`python -m pipeline.bench`: the pipeline's rate on this machine, as ratios against named baselines.

The baseline only decodes each image and runs the teacher, in as many threads. The pipeline also detects faces, crops
portraits, scores masks and writes blobs and rows. Both take turns on the same images, so that other load hits both
alike; the median is reported. Images are `--images`, or variants of a portrait from scikit-image.

__main__.py   the arguments
gpu.py        each part and the whole on one device, `make bench-gpu`
lines.py      timing of a call, and a line of the report
memory.py     peak memory, one process per count
precision.py  the paper's network in fp32 and bf16
rate.py       the pipeline against the baseline
variants.py   one portrait at many sizes
"""
