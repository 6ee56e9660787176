"""Person probability -> opacity: nearly sure pixels become sure, and the edge stays soft."""

import numpy as np

from manifests.pixels.onnx_segmenter import Prob

CLEAR_PROB, SOLID_PROB = 0.2, 0.8  # below: fully transparent; above: fully opaque


def opacity(prob: Prob) -> Prob:
    """Person probability float32 (H, W) -> opacity float32 (H, W) in [0, 1]; one half stays one half.

    Between the two limits it is a smoothstep, so that no step shows in a matte.
    """
    position = np.clip((prob - np.float32(CLEAR_PROB)) / np.float32(SOLID_PROB - CLEAR_PROB), 0, 1)
    return np.asarray(position * position * (3 - 2 * position), np.float32)
