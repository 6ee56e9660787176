"""Prefect flows that make masks: source images -> faces -> ROI -> teacher -> a new manifest version.

generate.py    `python -m pipeline.generate`: the flow `generate-pseudo-labels`, in this process
flows.py       the flows, and their tasks; bodies that read like a sentence
shards.py      a few hundred pictures at a time: label them in threads, remember what is finished
worker.py      what a worker does with one shard, wherever it runs
runners.py     where shards are labelled: this process, Dask, Ray
labelling.py   one picture -> samples (case 1: cropped ground truth; case 2: pseudo-labels) or a reason
sources/       where pictures come from: files, file systems, tars, lists of URLs
faces.py       face detection (MTCNN)
roi.py         face -> portrait ROI, margins as named numbers
teachers/      what proposes masks: grabcut, deeplabv3plus
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
