"""Prefect flows that make masks: source images -> faces -> ROI -> teacher -> a new manifest version.

generate/         `python -m pipeline.generate`: generate or relabel, in this process
evaluate/         `python -m pipeline.evaluate`: teachers and doubt, measured against trusted masks
fit_doubt/        `python -m pipeline.fit_doubt`: the model of doubt, fitted on trusted masks
second_opinion/   `python -m pipeline.second_opinion`: a student's masks against the queue's
face_attributes/  `python -m pipeline.face_attributes`: number, yaw and roll of faces, for slices
try_teacher.py    `python -m pipeline.try_teacher`: a few masks as one image
sample.py         `python -m pipeline.sample`: a portrait for a machine without photographs
bridges/          annotation tools that ask a teacher for masks: CVAT, Label Studio
bench/            `python -m pipeline.bench`: the pipeline's rate and memory
flows.py          the flows and their tasks; bodies that read like a sentence
run/              workers, task runners, progress
labelling/        one image -> samples; shards of them; one version
sources/          where images come from: files, file systems, tars, lists of URLs
faces/            detection (MTCNN), and the portrait ROI around a face
teachers/         networks and methods that propose masks
doubt.py          how likely a reviewer rejects a mask
ordered_map.py    parallel map in threads: ordered results, bounded memory
quarantine.py     the table of images that can't be used, each with its reason
"""

import os

# No telemetry; set before the first import of prefect.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
# A busy laptop may take longer than Prefect's 20 s to start the server that a flow in this process needs.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")

# oneDNN caches one compiled kernel per input shape, 1,024 by default; the face detector brings new shapes with each
# image, and the cache would grow to 200 MB. Read when torch first computes.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
