"""Decisions as a client sends them."""

import uuid

from review_ui.queue.open_samples import OpenSample

FALLING = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)  # doubts


Submission = dict[str, object]


def submission(sample: OpenSample, verdict: str = "accept", **changes: object) -> Submission:
    """A decision as a client sends it, with an id of its own."""
    return {
        "decision_id": str(uuid.uuid4()),
        "sample_id": sample.sample_id,
        "mask_sha256": sample.mask_sha256,
        "verdict": verdict,
        "decision_ms": 900,
    } | changes
