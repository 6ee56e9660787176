"""`python -m pipeline.bench`: the pipeline's rate on this machine, as ratios against named baselines.

The baseline is the bare loop: decode an image, ask the teacher, in as many threads. The pipeline also finds faces,
cuts portraits out, scores masks and writes blobs and rows. Both take turns on the same images, so that a busy moment
of the machine hits both; the median counts. Images are `--images`, or variants of a portrait that scikit-image has.

__main__.py   the arguments
lines.py      seconds, and the lines that are printed
memory.py     peak memory, in processes of their own
precision.py  the paper's network in fp32 and bf16
rate.py       the pipeline against the bare loop
variants.py   one portrait at many sizes
"""
