"""Prefect flows that make masks: source images -> faces -> ROI -> teacher -> a new manifest version.

generate.py    `python -m pipeline.generate`: the flow `generate-pseudo-labels` or `relabel-samples`, in this process
evaluate.py    `python -m pipeline.evaluate`: teachers and doubt, measured against trusted masks
bench.py       `python -m pipeline.bench`: the pipeline's rate and memory
flows.py       the flows, and their tasks; bodies that read like a sentence
runners.py     where shards are labelled: this process, a Dask or a Ray cluster
worker.py      what a worker does with one shard
shards.py      a few hundred pictures at a time: label them, remember what is finished
stream.py      work in threads, in order, never much of it at a time
labelling.py   one picture -> samples (case 1: cropped ground truth; case 2: pseudo-labels) or a reason
relabel.py     new masks for samples that the dataset has already
sources/       where pictures come from: files, file systems, tars, lists of URLs
faces.py       face detection (MTCNN)
roi.py         face -> portrait ROI, margins as named numbers
teachers/      what proposes masks
doubt.py       how likely a reviewer rejects a mask
commit.py      finished shards -> one manifest version
report.py      what a run made, for people: counts, a page, a contact sheet
artifacts.py   how far a run is and what it made, on Prefect's pages
run_bar.py     the same in a terminal: one bar for the whole run
quarantine.py  the table of pictures that can't be used, each with its reason
sample.py      a sample portrait for a machine without photographs
"""

import os

# Nothing phones home: these must stand before the first import of prefect.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
# A busy laptop may take longer than Prefect's 20 s to start the server that a flow in this process needs.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")

# oneDNN keeps a compiled kernel for each shape it has met, 1,024 by default; the face detector meets new shapes with
# each picture, and the kernels would come to 200 MB. Read when torch first computes.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
