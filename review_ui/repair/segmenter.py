"""The contract of a point-prompt segmenter. No ONNX Runtime and no OpenCV in here: the server starts without them."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from manifests.pixels.geometry import Pixels

MAX_PROMPT_POINTS = 6  # EfficientSAM's decoder drops all further points silently (decoder_max_num_input_points)

Points = npt.NDArray[np.float32]  # (N, 2): x, y in the image's pixels
Labels = npt.NDArray[np.float32]  # (N,): 1 on the object, 0 beside it
Prob = npt.NDArray[np.float32]


class PointSegmenter(Protocol):
    """A model that segments the object at given points."""

    def object_prob(self, rgb: Pixels, points: Points, labels: Labels, *, image_sha256: str) -> Prob:
        """RGB uint8 (H, W, 3), 1 to MAX_PROMPT_POINTS points -> probability float32 (H, W) of the object at them.

        `image_sha256` identifies the image, so that its embedding is computed once. UserError when the model gives no
        usable mask.
        """
        ...
