"""Person probability -> opacity: what the network is nearly sure of becomes sure, and the edge keeps its softness."""

import numpy as np

from manifests.pixels.onnx_segmenter import Prob

CLEAR_PROB, SOLID_PROB = 0.2, 0.8  # below: not there at all; above: nothing shows through


def opacity(prob: Prob) -> Prob:
    """Person probability float32 (H, W) -> opacity float32 (H, W) in [0, 1]; one half stays one half.

    Between the two limits it is a smoothstep, so that no step shows in a matte.
    """
    place = np.clip((prob - np.float32(CLEAR_PROB)) / np.float32(SOLID_PROB - CLEAR_PROB), 0, 1)
    return np.asarray(place * place * (3 - 2 * place), np.float32)
